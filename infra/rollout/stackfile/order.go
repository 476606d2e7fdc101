package stackfile

import (
	"slices"
	"strings"

	"boardcafe/infra/rollout/model"
)

// conditions are those that the map form of depends_on may name. All of them mean the same here: before the wave of
// a service starts, the services that it depends on run and are healthy, or have ended well where they are one-shot.
// docker stack deploy refuses the map form (docker/cli#3880).
var conditions = []string{"service_started", "service_healthy", "service_completed_successfully"}

// takeDependencies takes depends_on out of the services of all files, and checks it.
func (all sources) takeDependencies() (map[string][]string, error) {
	services, needs := all.services(), map[string][]string{}
	for _, s := range all {
		own, err := s.takeDependencies()
		if err != nil {
			return nil, err
		}
		for _, name := range sorted(own) {
			for _, other := range own[name] {
				if !slices.Contains(services, other) {
					return nil, s.at("services."+name+".depends_on", "there is no service "+other)
				}
			}
			needs[name] = append(needs[name], own[name]...)
			slices.Sort(needs[name])
			needs[name] = slices.Compact(needs[name])
		}
	}
	if cycle := findCycle(services, needs); cycle != nil {
		return nil, all.at("services."+cycle[0]+".depends_on", "a cycle: "+strings.Join(cycle, " → "))
	}
	return needs, nil
}

// takeDependencies takes depends_on out of the services of one file. It reads a list, and a mapping with conditions.
func (s *source) takeDependencies() (map[string][]string, error) {
	services, _ := s.dict["services"].(map[string]any)
	needs := map[string][]string{}
	for _, name := range sorted(services) {
		service, ok := services[name].(map[string]any)
		if !ok {
			continue // the schema says it better
		}
		path := "services." + name + ".depends_on"
		switch value := service["depends_on"].(type) {
		case []any:
			for _, item := range value {
				text, ok := item.(string)
				if !ok {
					return nil, s.at(path, "must be a list of service names")
				}
				needs[name] = append(needs[name], text)
			}
		case map[string]any:
			for _, other := range sorted(value) {
				if err := s.checkCondition(model.Join(path, other), value[other]); err != nil {
					return nil, err
				}
				needs[name] = append(needs[name], other)
			}
		case nil:
		default:
			return nil, s.at(path, "must be a list or a mapping of service names")
		}
		delete(service, "depends_on")
	}
	return needs, nil
}

func (s *source) checkCondition(path string, value any) error {
	fields, ok := value.(map[string]any)
	if !ok {
		return s.at(path, "must be a mapping with a condition")
	}
	for _, key := range sorted(fields) {
		if key != "condition" {
			return s.at(model.Join(path, key), "unknown key")
		}
	}
	if condition, _ := fields["condition"].(string); !slices.Contains(conditions, condition) {
		return s.at(model.Join(path, "condition"), "must be one of "+strings.Join(conditions, ", "))
	}
	return nil
}

// findCycle returns the services of a cycle, with the first one again at the end; nil where there is no cycle.
func findCycle(names []string, needs map[string][]string) []string {
	done := map[string]bool{}
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		if at := slices.Index(path, name); at >= 0 {
			return append(slices.Clone(path[at:]), name)
		}
		if done[name] {
			return nil
		}
		path = append(path, name)
		for _, other := range needs[name] {
			if cycle := visit(other); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		done[name] = true
		return nil
	}
	for _, name := range names {
		if cycle := visit(name); cycle != nil {
			return cycle
		}
	}
	return nil
}

// waves orders the services: first the jobs and what they need, then all other services.
func waves(services []model.Service) [][]string {
	byName := map[string]model.Service{}
	early := map[string]bool{}
	for _, service := range services {
		byName[service.Name] = service
	}
	var markEarly func(name string)
	markEarly = func(name string) {
		if early[name] {
			return
		}
		early[name] = true
		for _, other := range byName[name].Needs {
			markEarly(other)
		}
	}
	for _, service := range services {
		if service.Job {
			markEarly(service.Name)
		}
	}

	level := map[string]int{}
	var place func(name string, floor int) int
	place = func(name string, floor int) int {
		if at, ok := level[name]; ok {
			return at
		}
		at := floor
		for _, other := range byName[name].Needs {
			at = max(at, place(other, floor)+1)
		}
		level[name] = at
		return at
	}
	var out [][]string
	put := func(name string, floor int) {
		at := place(name, floor)
		for len(out) <= at {
			out = append(out, nil)
		}
		out[at] = append(out[at], name)
	}
	for _, service := range services {
		if early[service.Name] {
			put(service.Name, 0)
		}
	}
	floor := len(out)
	for _, service := range services {
		if !early[service.Name] {
			put(service.Name, floor)
		}
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
