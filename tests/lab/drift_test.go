package lab_test

import "testing"

func TestADriftIsRepairedAndNothingElse(t *testing.T) {
	l := aCafe(t)
	l.asWritten(t)
	on(t, l.Worker, `sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/sshd_config.d/00-boardcafe.conf
		systemctl reload ssh; sshd -T | grep '^passwordauthentication yes'`)
	on(t, l.Manager, `nft delete rule inet boardcafe input handle "$(nft --handle list chain inet boardcafe input | sed -n 's/.*2377.* # handle //p')"`)
	on(t, l.Manager, "docker node update --label-rm cafe.db manager; docker swarm update --dispatcher-heartbeat 5s")

	recap := l.play(t, "site.yml")

	wantChanged(t, recap,
		"worker: base : Restrict ssh to keys and the group of those who may log in", "worker: base : Reload ssh",
		"manager: firewall : Compare the loaded rules with those written", "manager: firewall : Load the rules",
		"manager: swarm : Make the swarm", "manager: swarm : Label the nodes")
	on(t, l.Worker, "sshd -T | grep '^passwordauthentication no'")
	on(t, l.Manager, "nft list chain inet boardcafe input | grep 2377")
	if got := on(t, l.Manager, `docker node inspect --format '{{index .Spec.Labels "cafe.db"}}' manager`); got != "true" {
		t.Errorf("the label is %q, want true", got)
	}
	if got := on(t, l.Manager, "docker info --format '{{.Swarm.Cluster.Spec.Dispatcher.HeartbeatPeriod}}'"); got != "20s" {
		t.Errorf("machines report every %s, want 20s", got)
	}
}
