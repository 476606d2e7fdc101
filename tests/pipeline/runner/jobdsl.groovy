// Reads a Job DSL script without Jenkins: every word is recorded, with its arguments, and none is known.
// So a mistake in Groovy is found, and what it asks for can be looked at. The script is on stdin, the names
// that Jenkins gives it are the arguments, NAME=value. The answer is a JSON tree of {word, args, inside}.
import groovy.json.JsonOutput
import org.codehaus.groovy.control.MultipleCompilationErrorsException

class Recorder extends GroovyObjectSupport {
  List words = []
  Map names

  Object invokeMethod(String word, Object args) {
    def said = [word: word, args: [], inside: []]
    (args as List).each { given ->
      if (given instanceof Closure) {
        said.inside = record(given, this.@names)
      } else {
        said.args << (given instanceof GString ? given.toString() : given)
      }
    }
    this.@words << said
    return null
  }

  Object getProperty(String name) {
    if (!this.@names.containsKey(name)) {
      throw new MissingPropertyException("unknown name '${name}'")
    }
    return this.@names[name]
  }

  static List record(Closure body, Map names) {
    def recorder = new Recorder(names: names)
    body.delegate = recorder
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body.call()
    return recorder.@words
  }
}

def names = args.collectEntries { it.split('=', 2) as List }
try {
  // As the body of a closure the script has the recorder for everything that it does not define itself.
  def body = new GroovyShell().evaluate("{ ->\n${System.in.getText('UTF-8')}\n}", 'cafe.groovy') as Closure
  println JsonOutput.toJson(Recorder.record(body, names))
} catch (MultipleCompilationErrorsException | MissingPropertyException e) {
  System.err.println(e.message)
  System.exit(1)
}
