package stackfile

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"boardcafe/infra/rollout/model"

	"golang.org/x/net/http/httpguts"
	"gopkg.in/yaml.v3"
)

// Defaults of `x-rollout`.
const (
	defaultJobTimeout   = 5 * time.Minute
	defaultProbeTimeout = 30 * time.Second
)

// extension reads one `x-rollout` mapping strictly. A key that is not read is an error: a misspelt `probe` would be a
// probe that never runs. Where several files have a key, the value of the last one counts.
type extension struct {
	sources sources
	path    string
	fields  map[string]string  // scalars, variables expanded
	nested  map[string]*source // mappings and lists, with the file that has them
	err     error
}

func (all sources) extension(env Environment, path ...string) *extension {
	e := &extension{sources: all, path: strings.Join(path, "."), fields: map[string]string{}, nested: map[string]*source{}}
	for _, s := range all {
		n := s.node(path...)
		if n == nil {
			continue
		}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind != yaml.MappingNode {
			e.err = s.at(e.path, "must be a mapping")
			return e
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			delete(e.fields, key)
			delete(e.nested, key)
			if value.Kind == yaml.ScalarNode {
				e.fields[key] = expand(value.Value, env)
			} else {
				e.nested[key] = s
			}
		}
	}
	return e
}

func (e *extension) fail(key, problem string) {
	if e.err == nil {
		e.err = e.sources.at(model.Join(e.path, key), problem)
	}
}

func (e *extension) text(key string) string {
	if _, ok := e.nested[key]; ok {
		delete(e.nested, key)
		e.fail(key, "must be text")
	}
	value := e.fields[key]
	delete(e.fields, key)
	return value
}

// mapping returns the file that has the mapping at the key. It is nil where there is no such key.
func (e *extension) mapping(key string) *source {
	if _, ok := e.fields[key]; ok {
		delete(e.fields, key)
		e.fail(key, "must be a mapping")
	}
	s := e.nested[key]
	delete(e.nested, key)
	return s
}

func (e *extension) duration(key string, fallback time.Duration) time.Duration {
	text := e.text(key)
	if text == "" {
		return fallback
	}
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		e.fail(key, "must be a duration like 30s, not "+strconv.Quote(text))
	}
	return value
}

func (e *extension) number(key string, low, high int) int {
	text := e.text(key)
	if text == "" {
		return 0
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < low || value > high {
		e.fail(key, "must be a number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high)+", not "+strconv.Quote(text))
	}
	return value
}

// choice returns whether the key is there. If it is, it must have the only value that is allowed.
func (e *extension) choice(key, only string) bool {
	_, ok := e.fields[key]
	text := e.text(key)
	if ok && text != only {
		e.fail(key, "must be "+only+", not "+strconv.Quote(text))
	}
	return ok
}

// close returns the first problem. A key that was not read is one.
func (e *extension) close() error {
	var unknown []string
	for key := range e.fields {
		unknown = append(unknown, key)
	}
	for key := range e.nested {
		unknown = append(unknown, key)
	}
	slices.Sort(unknown)
	if len(unknown) > 0 {
		e.fail(unknown[0], "unknown key")
	}
	return e.err
}

// options reads the x-rollout of a service.
func (all sources) options(service string, env Environment) (options model.Options, err error) {
	e := all.extension(env, "services", service, "x-rollout")
	_, hasTimeout := e.fields["timeout"]
	options = model.Options{
		Job:          e.choice("job", "true"),
		JobTimeout:   e.duration("timeout", defaultJobTimeout),
		KeepReplicas: e.choice("replicas", "keep"),
		Drain:        e.duration("drain", 0),
	}
	probe := e.mapping("probe")
	if hasTimeout && !options.Job {
		e.fail("timeout", "is for a job; say how long with: rollout deploy --timeout")
	}
	if err := e.close(); err != nil || probe == nil {
		return options, err
	}
	options.Probe, err = probe.probe(service, env)
	return options, err
}

// probe reads the probe of a service.
func (s *source) probe(service string, env Environment) (*model.Probe, error) {
	e := sources{s}.extension(env, "services", service, "x-rollout", "probe")
	p := &model.Probe{
		Port:    uint32(e.number("port", 1, highestPort)),
		Path:    cmp.Or(e.text("path"), "/"),
		Status:  e.number("status", 100, 599),
		Header:  e.text("header"),
		Expect:  e.text("expect"),
		Timeout: e.duration("timeout", defaultProbeTimeout),
	}
	if _, err := url.ParseRequestURI(p.Path); err != nil || !strings.HasPrefix(p.Path, "/") {
		e.fail("path", "must begin with / and be a path, not "+strconv.Quote(p.Path))
	}
	switch {
	case p.Header != "" && !httpguts.ValidHeaderFieldName(p.Header):
		e.fail("header", strconv.Quote(p.Header)+" is no name of a header")
	case p.Header != "" && p.Expect == "":
		e.fail("expect", "is missing or empty; it is what the header must say")
	case p.Header == "" && p.Expect != "":
		e.fail("header", "is missing; it is the header that must say what is expected")
	}
	return p, e.close()
}
