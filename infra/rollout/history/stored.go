package history

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"time"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// format is raised when a change of the stored form makes older releases unreadable.
const format = 1

// The stored form of a release is gzipped JSON in the data of a config. It has types of its own, so that a change
// of the model changes no history. Do not rename their fields: earlier rollouts have written them, and must be able
// to read what this one writes. Docker's own types are stored as Docker's API writes them.
type (
	stored struct {
		Format int               `json:"format"`
		Stack  storedStack       `json:"stack"`
		Jobs   map[string]string `json:"jobs"`
	}
	storedStack struct {
		Name     string          `json:"Name"`
		Release  string          `json:"Release"`
		Services []storedService `json:"Services"`
		Networks []storedNetwork `json:"Networks"`
		Configs  []storedObject  `json:"Configs"`
		Secrets  []storedObject  `json:"Secrets"`
		Waves    [][]string      `json:"Waves"`
		Warnings []struct{}      `json:"Warnings"` // always null: they are about a file
	}
	storedService struct {
		Name         string            `json:"Name"`
		Spec         swarm.ServiceSpec `json:"Spec"`
		Needs        []string          `json:"Needs"`
		Job          bool              `json:"Job"`
		JobTimeout   time.Duration     `json:"JobTimeout"` // nanoseconds
		KeepReplicas bool              `json:"KeepReplicas"`
		Drain        time.Duration     `json:"Drain"` // nanoseconds
		Probe        *storedProbe      `json:"Probe"`
	}
	storedProbe struct {
		Port    uint32        `json:"Port"`
		Path    string        `json:"Path"`
		Status  int           `json:"Status"`
		Header  string        `json:"Header"`
		Expect  string        `json:"Expect"`
		Timeout time.Duration `json:"Timeout"` // nanoseconds
	}
	storedNetwork struct {
		Name     string                `json:"Name"`
		External bool                  `json:"External"`
		Options  network.CreateOptions `json:"Options"`
	}
	// storedObject has no data. The swarm has the version of that name, or the release cannot be gone back to.
	storedObject struct {
		Key        string            `json:"Key"`
		Name       string            `json:"Name"`
		External   bool              `json:"External"`
		Labels     map[string]string `json:"Labels"`
		Driver     *swarm.Driver     `json:"Driver"`
		Templating *swarm.Driver     `json:"Templating"`
	}
)

// pack writes a content in the stored form.
func pack(content Content) ([]byte, error) {
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	if err := json.NewEncoder(zip).Encode(toStored(content)); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

// unpack reads a content from the stored form.
func unpack(data []byte) (*Content, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var from stored
	if err := json.NewDecoder(unzip).Decode(&from); err != nil {
		return nil, err
	}
	if from.Format != format {
		return nil, fmt.Errorf("it was written by another version of rollout (format %d, this one reads %d)",
			from.Format, format)
	}
	return fromStored(from), nil
}

func toStored(content Content) stored {
	stack := content.Stack
	return stored{Format: format, Jobs: content.Jobs, Stack: storedStack{
		Name: stack.Name, Release: stack.Release, Waves: stack.Waves,
		Services: each(stack.Services, func(s model.Service) storedService {
			return storedService{
				Name: s.Name, Spec: s.Spec, Needs: s.Needs, Job: s.Job, JobTimeout: s.JobTimeout,
				KeepReplicas: s.KeepReplicas, Drain: s.Drain, Probe: toStoredProbe(s.Probe),
			}
		}),
		Networks: each(stack.Networks, func(n model.Network) storedNetwork {
			return storedNetwork{Name: n.Name, External: n.External, Options: n.Options}
		}),
		Configs: each(stack.Configs, toStoredObject),
		Secrets: each(stack.Secrets, toStoredObject),
	}}
}

func toStoredProbe(p *model.Probe) *storedProbe {
	if p == nil {
		return nil
	}
	return &storedProbe{
		Port: p.Port, Path: p.Path, Status: p.Status, Header: p.Header, Expect: p.Expect, Timeout: p.Timeout,
	}
}

func fromStoredProbe(p *storedProbe) *model.Probe {
	if p == nil {
		return nil
	}
	return &model.Probe{
		Port: p.Port, Path: p.Path, Status: p.Status, Header: p.Header, Expect: p.Expect, Timeout: p.Timeout,
	}
}

func toStoredObject(o model.Object) storedObject {
	return storedObject{
		Key: o.Key, Name: o.Name, External: o.External, Labels: o.Labels, Driver: o.Driver, Templating: o.Templating,
	}
}

func fromStored(from stored) *Content {
	stack := from.Stack
	return &Content{Jobs: from.Jobs, Stack: model.Stack{
		Name: stack.Name, Release: stack.Release, Waves: stack.Waves,
		Services: each(stack.Services, func(s storedService) model.Service {
			return model.Service{Name: s.Name, Spec: s.Spec, Needs: s.Needs, Options: model.Options{
				Job: s.Job, JobTimeout: s.JobTimeout, KeepReplicas: s.KeepReplicas, Drain: s.Drain,
				Probe: fromStoredProbe(s.Probe),
			}}
		}),
		Networks: each(stack.Networks, func(n storedNetwork) model.Network {
			return model.Network{Name: n.Name, External: n.External, Options: n.Options}
		}),
		Configs: each(stack.Configs, fromStoredObject),
		Secrets: each(stack.Secrets, fromStoredObject),
	}}
}

// fromStoredObject takes every object for an external one: a release can be gone back to only when all its
// versions exist.
func fromStoredObject(o storedObject) model.Object {
	return model.Object{
		Key: o.Key, Name: o.Name, External: true, Labels: o.Labels, Driver: o.Driver, Templating: o.Templating,
	}
}

// each converts the items of a list. A nil list stays nil, and JSON has null for it.
func each[From, To any](list []From, convert func(From) To) []To {
	if list == nil {
		return nil
	}
	out := make([]To, 0, len(list))
	for _, item := range list {
		out = append(out, convert(item))
	}
	return out
}
