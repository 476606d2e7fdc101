package stackfile

import (
	"path/filepath"
	"slices"

	"boardcafe/infra/rollout/model"

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

// dir is the first file's folder. Paths in every file are relative to it, as for `docker stack deploy`.
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

// having is the file whose value at the path counts: the last file that has such a value. Where no file has the path,
// it is the file with the longest part of the path.
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

// fault is what is wrong with a service: a key of it, and the problem. Both are empty for a good service.
type fault struct{ key, problem string }

// atService makes an Error for a fault of a service. Where several files have a list, the indices of the merged
// list are not those of each file. So find looks at each file alone, the last one first, and the error is in the
// file where find finds the same problem.
func (f *File) atService(name string, found fault, find func(types.ServiceConfig) fault) *Error {
	path := "services." + name
	if len(f.sources) > 1 {
		for _, s := range slices.Backward(f.sources) {
			config, err := s.loadAlone(f.sources.dir(), f.env, s.dict)
			if err != nil {
				continue
			}
			for _, own := range config.Services {
				if own.Name != name {
					continue
				}
				if its := find(own); its.problem == found.problem {
					return s.at(model.Join(path, its.key), its.problem)
				}
			}
		}
	}
	return f.sources.at(model.Join(path, found.key), found.problem)
}
