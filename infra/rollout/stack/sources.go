package stack

import (
	"path/filepath"
	"slices"

	"github.com/docker/cli/cli/compose/types"
)

// sources are the files of a stack, at least one; each is merged over those before it.
type sources []*source

func openAll(paths []string) (sources, error) {
	var all sources
	for _, path := range paths {
		s, err := open(path)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// dir is what paths in every file are relative to, as for `docker stack deploy`: the first file's folder.
func (all sources) dir() string {
	dir, err := filepath.Abs(filepath.Dir(all[0].file))
	if err != nil {
		return filepath.Dir(all[0].file) // the working directory is gone; reading a file says so
	}
	return dir
}

// services are the names of all services.
func (all sources) services() []string {
	names := map[string]bool{}
	for _, s := range all {
		services, _ := s.dict["services"].(map[string]any)
		for name := range services {
			names[name] = true
		}
	}
	return sorted(names)
}

// having is the last file with a value at the path, or with the nearest one above it: the one that counts.
func (all sources) having(path string) *source {
	found, longest := all[0], 0
	for _, s := range all {
		if n := len(s.nearest(path)); n >= longest {
			found, longest = s, n
		}
	}
	return found
}

func (all sources) at(path, problem string) *Error { return all.having(path).at(path, problem) }

// atService makes an Error for what find found in a service. A list that several files have is one list
// after the merge, with indices that are in none of them: hence the last file in whose own part of the
// service find finds the same.
func (all sources) atService(name, key, problem string, find func(types.ServiceConfig) (key, problem string)) *Error {
	path := "services." + name
	for _, s := range slices.Backward(all) {
		for _, own := range s.config.Services {
			if own.Name != name {
				continue
			}
			if key, same := find(own); same == problem {
				return s.at(join(path, key), problem)
			}
		}
	}
	return all.at(join(path, key), problem)
}
