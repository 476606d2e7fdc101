package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-units"
)

// Change is one field of a service that differs. An empty Old or New means that it is not set.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Effect is what a change does to the tasks that run.
type Effect string

// The effects. Swarm restarts a task when its template or endpoint differs. For a constraint it restarts only
// tasks whose machine no longer fits (swarmkit, orchestrator/task.go).
const (
	InPlace  Effect = "in place"
	Restarts Effect = "restarts"
	Moves    Effect = "restarts only tasks whose machine no longer fits"
)

// Diff compares two specs field by field. References to configs, secrets and networks are
// compared by name: the names carry the versions.
func Diff(old, new swarm.ServiceSpec) ([]Change, Effect) {
	before, after := flatten(old), flatten(new)
	effect := InPlace
	var changes []Change
	for _, path := range union(before, after) {
		a, b := before[path], after[path] // what is not set is ""; what is set to "" is not
		if a == b || ignored(path) {
			continue
		}
		if equalToDefault(path, a, b) {
			continue
		}
		changes = append(changes, Change{Field: fieldName(path), Old: a, New: b})
		effect = stronger(effect, effectOf(path))
	}
	return changes, effect
}

func effectOf(path string) Effect {
	switch {
	case path == "TaskTemplate.Placement.Constraints":
		return Moves
	case strings.HasPrefix(path, "TaskTemplate."), strings.HasPrefix(path, "EndpointSpec."):
		return Restarts
	}
	return InPlace
}

func stronger(a, b Effect) Effect {
	order := []Effect{InPlace, Moves, Restarts}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// ignored tells whether a field says the same as another one, or is known to the swarm only.
func ignored(path string) bool {
	return path == "Labels["+model.LabelImage+"]" ||
		strings.HasSuffix(path, ".SecretID") || strings.HasSuffix(path, ".ConfigID")
}

// defaults are what Swarm does where a file says nothing. Some of them it writes into the spec.
var defaults = map[string]string{
	"EndpointSpec.Ports[].Protocol":                  "tcp",
	"EndpointSpec.Ports[].PublishMode":               "ingress",
	"EndpointSpec.Mode":                              "vip",
	"TaskTemplate.Runtime":                           "container",
	"TaskTemplate.ForceUpdate":                       "0",
	"TaskTemplate.ContainerSpec.Isolation":           "default",
	"TaskTemplate.ContainerSpec.StopGracePeriod":     model.DefaultGrace.String(),
	"TaskTemplate.RestartPolicy.Condition":           "any",
	"TaskTemplate.RestartPolicy.Delay":               "5s",
	"TaskTemplate.RestartPolicy.MaxAttempts":         "0",
	"TaskTemplate.RestartPolicy.Window":              "0s",
	"Mode.Replicated.Replicas":                       "1",
	"UpdateConfig.Parallelism":                       "1",
	"UpdateConfig.FailureAction":                     "pause",
	"UpdateConfig.Monitor":                           model.DefaultMonitor.String(),
	"UpdateConfig.MaxFailureRatio":                   "0",
	"UpdateConfig.Order":                             "stop-first",
	"RollbackConfig.Parallelism":                     "1",
	"RollbackConfig.FailureAction":                   "pause",
	"RollbackConfig.Monitor":                         model.DefaultMonitor.String(),
	"RollbackConfig.MaxFailureRatio":                 "0",
	"RollbackConfig.Order":                           "stop-first",
	"TaskTemplate.ContainerSpec.Healthcheck.Retries": "0",
}

var brackets = regexp.MustCompile(`\[[^\]]*\]`)

func equalToDefault(path, a, b string) bool {
	value, ok := defaults[brackets.ReplaceAllString(path, "[]")]
	return ok && (a == "" || a == value) && (b == "" || b == value)
}

// flatten makes a map of dotted paths out of a spec. Empty values are left out: Swarm returns an empty list
// where none was sent. The items of a list get their names as keys where they have names. The order of such a
// list makes no difference then; a file does not control it.
func flatten(spec swarm.ServiceSpec) map[string]string {
	data, err := json.Marshal(spec)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		panic(err)
	}
	out := map[string]string{}
	flattenInto(out, "", tree)
	return out
}

func flattenInto(out map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if isLabels(path) {
				out[path+"["+key+"]"] = set(fmt.Sprint(child))
				continue
			}
			flattenInto(out, model.Join(path, key), child)
		}
	case []any:
		flattenList(out, path, value)
	case string:
		if value != "" {
			out[path] = value
		}
	case bool:
		if value {
			out[path] = "true"
		}
	case json.Number:
		out[path] = number(path, value)
	}
}

// set shows a value that somebody has set. An empty one is shown as quotes, or it would look like none.
func set(value string) string {
	if value == "" {
		return `""`
	}
	return value
}

func flattenList(out map[string]string, path string, list []any) {
	var plain []string
	seen := map[string]int{}
	for i, item := range list {
		switch item := item.(type) {
		case string:
			if name, value, ok := strings.Cut(item, "="); ok && strings.HasSuffix(path, ".Env") {
				out[path+"["+name+"]"] = set(value)
				continue
			}
			plain = append(plain, word(item))
		default:
			key := identity(item, i)
			if seen[key]++; seen[key] > 1 {
				key += fmt.Sprintf(" #%d", seen[key]) // a port may be published twice
			}
			flattenInto(out, path+"["+key+"]", item)
		}
	}
	if len(plain) == 0 {
		return
	}
	if isSet(path) {
		slices.Sort(plain)
	}
	out[path] = strings.Join(plain, " ")
}

// word quotes what would be two words in a list of words. A command of one argument with a space in it is not a
// command of two arguments.
func word(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\n\"'") {
		return strconv.Quote(text)
	}
	return text
}

// isSet tells whether the order of a list of words has no meaning.
func isSet(path string) bool {
	return strings.HasSuffix(path, ".Constraints") ||
		strings.HasSuffix(path, ".CapabilityAdd") || strings.HasSuffix(path, ".CapabilityDrop")
}

// identity tells the items of a list apart. It is the file that a config is mounted as, the target of a mount,
// the number of a port.
func identity(item any, index int) string {
	fields, _ := item.(map[string]any)
	if file, ok := fields["File"].(map[string]any); ok {
		return fmt.Sprint(file["Name"])
	}
	if port, ok := fields["TargetPort"]; ok {
		protocol, _ := fields["Protocol"].(string)
		return fmt.Sprintf("%v/%s", port, cmp.Or(protocol, "tcp"))
	}
	for _, key := range []string{"Target", "Name", "Source"} {
		if value, ok := fields[key]; ok {
			return fmt.Sprint(value)
		}
	}
	return fmt.Sprint(index)
}

func isLabels(path string) bool {
	return path == "Labels" || strings.HasSuffix(path, ".Labels") ||
		strings.HasSuffix(path, ".Sysctls") || strings.HasSuffix(path, ".Options")
}

var (
	durations = regexp.MustCompile(`\.(Delay|Monitor|Window|Interval|Timeout|StartPeriod|StartInterval|StopGracePeriod)$`)
	sizes     = regexp.MustCompile(`\.(MemoryBytes|SizeBytes)$`)
)

func number(path string, value json.Number) string {
	n, err := value.Int64()
	switch {
	case err != nil:
		return value.String()
	case durations.MatchString(path):
		return time.Duration(n).String()
	case sizes.MatchString(path):
		return units.BytesSize(float64(n))
	case strings.HasSuffix(path, ".NanoCPUs"):
		return fmt.Sprintf("%g", float64(n)/1e9)
	case strings.HasSuffix(path, ".File.Mode"):
		return fmt.Sprintf("%#o", n)
	}
	return value.String()
}

// words are what a stack file calls the fields of the API.
var words = strings.NewReplacer(
	"TaskTemplate.ContainerSpec.Image", "image",
	"TaskTemplate.ContainerSpec.Env[", "environment[",
	"TaskTemplate.ContainerSpec.Args", "command",
	"TaskTemplate.ContainerSpec.Command", "entrypoint",
	"TaskTemplate.ContainerSpec.Mounts[", "volumes[",
	"TaskTemplate.ContainerSpec.Dir", "working_dir",
	"TaskTemplate.ContainerSpec.Labels[", "container labels[",
	"TaskTemplate.ContainerSpec.", "",
	"TaskTemplate.", "",
	"Mode.Replicated.Replicas", "replicas",
	"EndpointSpec.", "",
	"ConfigName", "version",
	"SecretName", "version",
	"NanoCPUs", "cpus",
	"MemoryBytes", "memory",
)

// fieldName is the path in the words of a stack file. What is in brackets stays: it comes from the file.
func fieldName(path string) string {
	open, end := strings.IndexByte(path, '['), strings.LastIndexByte(path, ']')
	if open < 0 || end < open {
		return model.Snake(words.Replace(path))
	}
	head, rest := path[:open+1], strings.TrimSuffix(path[end+1:], ".Target") // by which it is named
	return model.Snake(words.Replace(head)) + path[open+1:end+1] + model.Snake(words.Replace(rest))
}

func union(a, b map[string]string) []string {
	var keys []string
	for key := range a {
		keys = append(keys, key)
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
