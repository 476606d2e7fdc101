// Runs a declarative Jenkinsfile by those of Jenkins's rules that matter here, without Jenkins.
//
// It knows the order of things: which stage runs, which variables and credentials a step sees, which
// `post` follows. What a step does it leaves to the other side of stdin and stdout (runner.go), which
// answers from a table or does it for real. One JSON object a line:
//
//   in   {"jenkinsfile": "...", "env": {"BRANCH_NAME": "main"}}        a build to run
//   out  {"options": {"timestamps": true}}                            the pipeline's own; nobody answers
//   out  {"stage": "lint", "state": "started"}                         what happens; nobody answers
//   out  {"step": "sh", "args": {...}, "env": {...}, ...}              what is to be done
//   in   {"value": ...} or {"failed": "exit code 2"} or {"aborted": true}
//   out  {"end": "SUCCESS"} or {"fault": "Jenkinsfile:12: ..."}
//
// A word that is not in the tables below is an error, also where Jenkins knows more of them: what is
// not understood here is not tested either.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import groovy.transform.Field
import org.codehaus.groovy.ast.builder.AstBuilder
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.ast.stmt.*
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.MultipleCompilationErrorsException

/** The Jenkinsfile is wrong. */
class Fault extends RuntimeException {
  Fault(String message) { super(message) }
}

/** A step has failed. */
class StepFailed extends RuntimeException {
  StepFailed(String message) { super(message) }
}

/** Somebody, or a timeout, has stopped the build. */
class Aborted extends RuntimeException {}

/** A block of the Jenkinsfile: the words that it may hold, and what each means there. */
class Block extends GroovyObjectSupport {
  String title
  Map<String, Closure> words = [:]
  Map<String, Object> values = [:]

  static void read(String title, Closure body, Map words, Map values = [:]) {
    body.delegate = new Block(title: title, words: words, values: values)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body.call()
  }

  Object invokeMethod(String word, Object args) {
    def meaning = words[word]
    if (meaning == null) {
      throw new Fault("unknown word '${word}' in ${title}; it may hold: ${words.keySet().sort().join(', ')}")
    }
    def list = args as Object[]
    if (list.length == 0 && meaning.parameterTypes == [Object] as Class[]) {
      list = [[:]] as Object[] // a step without arguments
    }
    if (!list.every { given -> given != null } || !accepts(meaning, list)) {
      throw new Fault("wrong arguments for '${word}' in ${title}")
    }
    return meaning.call(*list)
  }

  private static boolean accepts(Closure meaning, Object[] args) {
    def types = meaning.parameterTypes
    return types.length == args.length && (0..<args.length).every { i ->
      types[i].isInstance(args[i]) || types[i] == String && args[i] instanceof GString
    }
  }

  Object getProperty(String name) {
    if (!values.containsKey(name)) {
      throw new Fault("unknown name '${name}' in ${title}")
    }
    return values[name]
  }

  void setProperty(String name, Object value) { throw new Fault("'${name} = ...' in ${title}; that belongs into environment") }
}

/** An `environment` block: its assignments, in their order. */
class Environment extends GroovyObjectSupport {
  Map<String, String> env
  Map<String, String> credentials = [:]

  static class Credential {
    String id
  }

  Object credentials(String id) { new Credential(id: id) }

  Object getProperty(String name) {
    def known = name == 'env' ? new EnvView(env: env) : env[name]
    if (known == null) {
      throw new Fault("unknown variable '${name}' in environment")
    }
    return known
  }

  void setProperty(String name, Object value) {
    if (value instanceof Credential) {
      this.@credentials[name] = value.id
    } else if (value instanceof CharSequence) {
      this.@env[name] = value.toString()
    } else {
      throw new Fault("${name} in environment is neither text nor credentials(...)")
    }
  }

  Object invokeMethod(String name, Object args) {
    if (name == 'credentials' && args.length == 1 && args[0] instanceof String) {
      return credentials(args[0])
    }
    throw new Fault("unknown word '${name}' in environment; it may hold: credentials")
  }
}

/** `env` in the Jenkinsfile. */
class EnvView extends GroovyObjectSupport {
  Map<String, String> env

  Object getProperty(String name) { this.@env[name] }

  void setProperty(String name, Object value) { throw new Fault('env is set in environment') }
}

/** `currentBuild` in the Jenkinsfile. */
class CurrentBuild {
  Closure describe
  Closure<String> result

  void setDescription(String text) { describe(text) }

  String getCurrentResult() { result() }
}

class Stage {
  String name
  Closure environment, when, steps
  Map<String, Object> options = [:]
  List<Stage> stages
  Map<String, Closure> post = [:]
}

/** What a step sees: where it stands, its variables and its credentials. */
class Scope {
  String stage = '', post = ''
  Map<String, String> env = [:]
  Map<String, String> credentials = [:] // variable -> id
  long timeoutSeconds = 0

  Scope inside(Map changes) {
    new Scope([stage: stage, post: post, env: new LinkedHashMap(env), credentials: new LinkedHashMap(credentials),
               timeoutSeconds: timeoutSeconds] + changes)
  }
}

// ---- The words

// A step's arguments by name; the first is the one that may stand without its name.
@Field final Map<String, List<String>> STEPS = [
  sh              : ['script', 'label', 'returnStatus', 'returnStdout'],
  echo            : ['message'],
  error           : ['message'],
  checkout        : ['scm'],
  junit           : ['testResults', 'allowEmptyResults', 'skipPublishingChecks'],
  archiveArtifacts: ['artifacts', 'allowEmptyArchive', 'fingerprint', 'onlyIfSuccessful'],
  readFile        : ['file', 'encoding'],
  fileExists      : ['file'],
  deleteDir       : [''],
]
@Field final List<String> CONDITIONS = ['always', 'aborted', 'failure', 'success', 'unstable', 'unsuccessful', 'cleanup'] // in Jenkins's order
@Field final List<String> SEVERITY = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED']
@Field final Map<String, Integer> SECONDS = [SECONDS: 1, MINUTES: 60, HOURS: 3600]

// ---- What a Jenkinsfile may look like, before anything of it runs

/** Declarative allows calls only; Groovy's own words belong into `script`. */
void checkShape(String text) {
  BlockStatement script = new AstBuilder().buildFromString(CompilePhase.CONVERSION, false, text)[0]
  if (script.statements.size() != 1 || call(script.statements[0])?.methodAsString != 'pipeline') {
    throw new Fault('Jenkinsfile:1: it must be one pipeline { } and nothing beside it')
  }
  checkShape(script.statements[0], 'the Jenkinsfile')
}

void checkShape(Statement statement, String block) {
  def where = "Jenkinsfile:${statement.lineNumber}: "
  def expression = statement instanceof ExpressionStatement ? statement.expression : null
  if (block == 'environment') {
    if (!(expression instanceof BinaryExpression) || expression.operation.text != '=' || !(expression.leftExpression instanceof VariableExpression)) {
      throw new Fault("${where}environment holds NAME = value and nothing else")
    }
    return
  }
  def made = call(statement)
  if (made == null) {
    throw new Fault("${where}only words of Jenkins may stand in ${block}; Groovy belongs into script { }, and each word on a line of its own")
  }
  def word = made.methodAsString
  def args = made.arguments instanceof TupleExpression ? made.arguments.expressions : [made.arguments]
  if (word == 'sh' && !args.every { it instanceof ConstantExpression || it instanceof MapExpression }) {
    throw new Fault("${where}sh takes a text in single quotes: Groovy would put secrets into it, the shell reads them from its environment")
  }
  if (word == 'script') {
    return
  }
  args.findAll { it instanceof ClosureExpression }.each { ClosureExpression body ->
    body.code.statements.each { checkShape(it, word) }
  }
}

/** The call that a statement is, if it is one of a plain word. */
MethodCallExpression call(Statement statement) {
  def expression = statement instanceof ExpressionStatement ? statement.expression : null
  return expression instanceof MethodCallExpression && expression.implicitThis ? expression : null
}

// ---- Reading

Stage readPipeline(Closure body) {
  def p = new Stage(name: '')
  def agent = null
  Block.read('pipeline', body, sections(p) + [agent: { given -> agent = readAgent(given) }], [any: 'any', none: 'none'])
  if (agent == null) {
    throw new Fault('pipeline has no agent')
  }
  if (p.stages == null) {
    throw new Fault('pipeline has no stages')
  }
  def names = []
  allStages(p).each { stage ->
    if (stage.name in names) {
      throw new Fault("two stages are called '${stage.name}'")
    }
    names << stage.name
  }
  return p
}

/** `pipeline` and `stage` have these in common. */
Map sections(Stage stage) {
  def title = stage.name ? "stage '${stage.name}'" : 'pipeline'
  def once = { String word, Closure set ->
    def seen = false
    return { Closure body ->
      if (seen) {
        throw new Fault("two of '${word}' in ${title}")
      }
      seen = true
      set(body)
    }
  }
  return [
    environment: once('environment') { stage.environment = it },
    options    : once('options') { stage.options = readOptions(it, title) },
    stages     : once('stages') { stage.stages = readStages(it) },
    post       : once('post') { stage.post = readPost(it, title) },
  ]
}

List<Stage> readStages(Closure body) {
  def all = []
  Block.read('stages', body, [stage: { String name, Closure content -> all << readStage(name, content) }])
  if (!all) {
    throw new Fault('stages holds no stage')
  }
  return all
}

Stage readStage(String name, Closure body) {
  def stage = new Stage(name: name)
  Block.read("stage '${name}'", body, sections(stage) + [
    steps: { Closure steps -> stage.steps = steps },
    when : { Closure when -> stage.when = when },
  ])
  if ((stage.steps == null) == (stage.stages == null)) {
    throw new Fault("stage '${name}' needs steps or stages, and not both")
  }
  return stage
}

Object readAgent(Object given) {
  if (given in ['any', 'none']) {
    return given
  }
  if (!(given instanceof Closure)) {
    throw new Fault("wrong arguments for 'agent' in pipeline")
  }
  def label = null
  Block.read('agent', given, [label: { String text -> label = text }])
  return label
}

Map<String, Object> readOptions(Closure body, String title) {
  def read = [:]
  def unary = { String name -> { -> read[name] = true } }
  def words = [
    timeout            : { Map limits -> read.timeout = seconds(limits) },
    timestamps         : unary('timestamps'),
    skipDefaultCheckout: unary('skipDefaultCheckout'),
  ]
  if (title == 'pipeline') {
    words += [
      disableConcurrentBuilds: unary('disableConcurrentBuilds'),
      buildDiscarder         : { Map rotator -> read.buildDiscarder = rotator },
      logRotator             : { Map keep ->
        only(keep, ['numToKeepStr', 'daysToKeepStr', 'artifactNumToKeepStr', 'artifactDaysToKeepStr'], 'logRotator')
        return keep
      },
    ]
  }
  Block.read("options of ${title}", body, words)
  return read
}

long seconds(Map limits) {
  only(limits, ['time', 'unit'], 'timeout')
  if (!(limits.time instanceof Integer) || !SECONDS.containsKey(limits.unit ?: 'MINUTES')) {
    throw new Fault("timeout takes time: a number, unit: one of ${SECONDS.keySet().join(', ')}")
  }
  return (long) limits.time * SECONDS[limits.unit ?: 'MINUTES']
}

void only(Map args, List<String> known, String word) {
  args.keySet().each {
    if (!(it in known)) {
      throw new Fault("unknown argument '${it}' of ${word}; it may have: ${known.findAll().join(', ')}")
    }
  }
}

Map<String, Closure> readPost(Closure body, String title) {
  def read = [:]
  Block.read("post of ${title}", body, CONDITIONS.collectEntries { condition ->
    [(condition): { Closure steps -> read[condition] = steps }]
  })
  return read
}

List<Stage> allStages(Stage within) {
  within.stages.collectMany { [it] + (it.stages ? allStages(it) : []) }
}

// ---- Running

@Field BufferedReader input = new BufferedReader(new InputStreamReader(System.in, 'UTF-8'))
@Field PrintStream output = new PrintStream(new FileOutputStream(FileDescriptor.out), true, 'UTF-8')
@Field String result

void say(Map what) { output.println(JsonOutput.toJson(what)) }

void worsen(String to) {
  if (SEVERITY.indexOf(to) > SEVERITY.indexOf(result)) {
    result = to
  }
}

void runPipeline(Stage p, Map env) {
  result = 'SUCCESS'
  def scope = new Scope(env: new LinkedHashMap(env))
  say(options: p.options)
  enter(p, scope)
  runStages(p.stages, scope)
  runPost(p, scope)
  say(end: result)
}

/** Puts a stage's variables, credentials and timeout into its scope. */
void enter(Stage stage, Scope scope) {
  if (stage.environment != null) {
    def e = new Environment(env: scope.env)
    stage.environment.delegate = e
    stage.environment.resolveStrategy = Closure.DELEGATE_ONLY
    stage.environment.call()
    scope.credentials.putAll(e.@credentials)
  }
  if (stage.options.timeout) {
    scope.timeoutSeconds = stage.options.timeout
  }
}

void runStages(List<Stage> stages, Scope outer) {
  stages.each { stage ->
    if (result in ['FAILURE', 'ABORTED']) {
      skip(stage, 'earlier failure')
    } else if (stage.when != null && !holds(stage.when, outer.env)) {
      skip(stage, 'when')
    } else {
      runStage(stage, outer.inside(stage: stage.name))
    }
  }
}

void skip(Stage stage, String why) {
  say(stage: stage.name, state: 'skipped', why: why)
  stage.stages?.each { skip(it, why) }
}

void runStage(Stage stage, Scope scope) {
  say(stage: stage.name, state: 'started')
  def before = result
  enter(stage, scope)
  if (stage.stages != null) {
    runStages(stage.stages, scope)
  } else {
    guarded { runSteps(stage.steps, scope, "steps of stage '${stage.name}'") }
  }
  runPost(stage, scope)
  say(stage: stage.name, state: result == before ? 'passed' : result.toLowerCase())
}

void guarded(Closure body) {
  try {
    body()
  } catch (StepFailed e) {
    worsen('FAILURE')
  } catch (Aborted e) {
    worsen('ABORTED')
  }
}

void runPost(Stage stage, Scope scope) {
  CONDITIONS.findAll { stage.post[it] != null }.each { condition ->
    // Looked at anew for each: what one does can be the failure that the next is for.
    def applies = [always: true, cleanup: true, aborted: result == 'ABORTED', failure: result == 'FAILURE', success: result == 'SUCCESS',
                   unstable: result == 'UNSTABLE', unsuccessful: result != 'SUCCESS'][condition]
    if (applies) {
      guarded { runSteps(stage.post[condition], scope.inside(post: condition), "post ${condition}") }
    }
  }
}

boolean holds(Closure when, Map env) {
  def found = conditions(when, 'when', env)
  return found.every()
}

List<Boolean> conditions(Closure body, String title, Map env) {
  def found = []
  Block.read(title, body, [
    branch       : { String pattern -> found << glob(pattern, env.BRANCH_NAME) },
    changeRequest: { -> found << (env.CHANGE_ID != null) },
    not          : { Closure of -> found << !conditions(of, 'not', env).every() },
    allOf        : { Closure of -> found << conditions(of, 'allOf', env).every() },
    anyOf        : { Closure of -> found << conditions(of, 'anyOf', env).any() },
  ])
  if (!found) {
    throw new Fault("${title} holds no condition")
  }
  return found
}

boolean glob(String pattern, String name) {
  def expression = pattern.split(/\*/, -1).collect { java.util.regex.Pattern.quote(it) }.join('[^/]*')
  return name != null && name ==~ expression
}

void runSteps(Closure body, Scope scope, String title) {
  Block.read(title, body, stepWords(scope, title), stepValues(scope, false))
}

Map stepValues(Scope scope, boolean inScript) {
  def values = [scm: 'scm', env: new EnvView(env: scope.env)]
  if (inScript) {
    values.currentBuild = new CurrentBuild(describe: { String text -> say(description: text) }, result: { result })
  }
  return values
}

Map stepWords(Scope scope, String title) {
  Map words = STEPS.collectEntries { name, known ->
    [(name): { Object given -> step(name, known, given, scope) }]
  }
  words.script = { Closure body -> Block.read('script', body, stepWords(scope, 'script'), stepValues(scope, true)) }
  words.timeout = { Map limits, Closure body ->
    runSteps(body, scope.inside(timeoutSeconds: seconds(limits)), 'timeout')
  }
  return words
}

Object step(String name, List<String> known, Object given, Scope scope) {
  Map args = given instanceof Map ? given : [(known[0]): given.toString()]
  if (args.containsKey('')) {
    throw new Fault("${name} takes no text")
  }
  only(args, known, name)
  if (known[0] && !args.containsKey(known[0])) {
    throw new Fault("${name} lacks its ${known[0]}")
  }
  say(step: name, args: args, stage: scope.stage, post: scope.post, env: scope.env, credentials: scope.credentials,
      timeoutSeconds: scope.timeoutSeconds)
  def answer = new JsonSlurper().parseText(input.readLine() ?: '{"aborted": true}')
  if (answer.aborted) {
    throw new Aborted()
  }
  if (answer.failed) {
    throw new StepFailed(answer.failed)
  }
  return answer.value
}

// ---- The loop

/** The line of the Jenkinsfile that an exception came from. */
String located(Throwable e) {
  def frame = e.stackTrace.find { it.fileName == 'Jenkinsfile' }
  return e.message.startsWith('Jenkinsfile:') || frame == null ? e.message : "Jenkinsfile:${frame.lineNumber}: ${e.message}"
}

void build(Map request) {
  checkShape(request.jenkinsfile)
  def script = new GroovyShell().parse(request.jenkinsfile as String, 'Jenkinsfile')
  def pipeline = null
  script.metaClass.pipeline = { Closure body -> pipeline = readPipeline(body) }
  script.run()
  runPipeline(pipeline, request.env)
}

for (String line = input.readLine(); line != null; line = input.readLine()) {
  try {
    build(new JsonSlurper().parseText(line) as Map)
  } catch (Fault e) {
    say(fault: located(e))
  } catch (MultipleCompilationErrorsException e) {
    def cause = e.errorCollector.getSyntaxError(0)
    say(fault: "Jenkinsfile:${cause?.line}: ${cause?.originalMessage}")
  }
}
