package lab

import (
	"crypto/rand"
	"encoding/json"

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
func (l *Lab) newInventory() (Inventory, error) {
	password, err := l.secret("registry_password")
	if err != nil {
		return Inventory{}, err
	}
	manager := host(l.Manager)
	manager["swarm_labels"] = vars{"cafe.db": "true"}
	return Inventory{group{
		Vars: vars{
			"ansible_user":                 "debian",
			"ansible_ssh_private_key_file": private + "/id_ed25519",
			"ansible_ssh_common_args":      "-o UserKnownHostsFile=" + private + "/known_hosts",
			"registry_password":            password,
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
	}}, nil
}

func host(m *machine.Machine) vars { return vars{"ansible_host": m.Address.String()} }

// Set sets a variable of all machines.
func (i *Inventory) Set(name string, value any) { i.All.Vars[name] = value }

// AddWorker adds a machine to the group of the workers.
func (i *Inventory) AddWorker(m *machine.Machine) {
	i.All.Children["swarm"].Children["swarm_workers"].Hosts[m.Name] = host(m)
}

// secret is a random password that stays the same as long as the lab does.
func (l *Lab) secret(name string) (string, error) {
	content, err := l.keep(name, []byte(rand.Text()))
	return string(content), err
}

func (i Inventory) encode() ([]byte, error) { return json.MarshalIndent(i, "", "  ") }
