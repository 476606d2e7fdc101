package lab

import (
	"crypto/rand"
	"encoding/json"
	"maps"

	"boardcafe/tests/cluster/machine"
)

// Inventory is an Ansible inventory as JSON, which YAML includes.
type Inventory struct {
	All group `json:"all"`
}

type group struct {
	Hosts    map[string]vars  `json:"hosts,omitempty"`
	Vars     vars             `json:"vars,omitempty"`
	Children map[string]group `json:"children,omitempty"`
}

type vars = map[string]any

// In the control container.
const (
	checkout = "/checkout"
	private  = "/private"
)

// newInventory describes the three machines as inventory.example describes three VMs.
func (l *Lab) newInventory() Inventory {
	manager := host(l.Manager)
	manager["swarm_labels"] = vars{"cafe.db": "true"}
	return Inventory{group{
		Vars: vars{
			"ansible_user":                 "debian",
			"ansible_ssh_private_key_file": private + "/id_ed25519",
			"ansible_ssh_common_args":      "-o UserKnownHostsFile=" + private + "/known_hosts",
			"base_admins":                  []vars{{"name": "ops", "keys": []string{l.AuthorizedKey()}}},
			"cafe_deploy_keys":             []string{l.AuthorizedKey()},
			"cafe_checkout":                checkout,
		},
		Children: map[string]group{
			"swarm": {Children: map[string]group{
				"swarm_managers": {Hosts: map[string]vars{"manager": manager}},
				"swarm_workers":  {Hosts: map[string]vars{"worker": host(l.Worker)}},
			}},
			"jenkins": {Hosts: map[string]vars{"ci": host(l.Jenkins)}},
		},
	}}
}

func host(m *machine.Machine) vars { return vars{"ansible_host": m.Address.String()} }

// Set sets a variable of all machines.
func (i *Inventory) Set(name string, value any) { i.All.Vars[name] = value }

// AddWorker adds a machine to the group of the workers.
func (i *Inventory) AddWorker(m *machine.Machine) {
	i.All.Children["swarm"].Children["swarm_workers"].Hosts[m.Name] = host(m)
}

// Host is the variables of a machine.
func (i *Inventory) Host(name string) map[string]any {
	for _, hosts := range []map[string]vars{
		i.All.Children["swarm"].Children["swarm_managers"].Hosts,
		i.All.Children["swarm"].Children["swarm_workers"].Hosts,
		i.All.Children["jenkins"].Hosts,
	} {
		if hosts[name] != nil {
			return hosts[name]
		}
	}
	return nil
}

// Move puts a machine of the swarm into another of its groups.
func (i *Inventory) Move(name, from, to string) {
	groups := i.All.Children["swarm"].Children
	groups[to].Hosts[name] = groups[from].Hosts[name]
	delete(groups[from].Hosts, name)
}

// Clone is a copy that can be changed alone: machines, groups, and the variables of each.
func (i Inventory) Clone() Inventory { return Inventory{i.All.clone()} }

func (g group) clone() group {
	copied := group{Vars: maps.Clone(g.Vars)}
	for name, host := range g.Hosts {
		if copied.Hosts == nil {
			copied.Hosts = map[string]vars{}
		}
		copied.Hosts[name] = maps.Clone(host)
	}
	for name, child := range g.Children {
		if copied.Children == nil {
			copied.Children = map[string]group{}
		}
		copied.Children[name] = child.clone()
	}
	return copied
}

// secret is a random password that stays the same as long as the lab does.
func (l *Lab) secret(name string) (string, error) {
	content, err := l.keep(name, []byte(rand.Text()))
	return string(content), err
}

func (i Inventory) encode() ([]byte, error) { return json.MarshalIndent(i, "", "  ") }
