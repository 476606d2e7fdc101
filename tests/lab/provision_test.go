package lab_test

import (
	"os"
	"testing"
	"time"

	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
)

func TestPlay(t *testing.T) {
	ctx := t.Context()
	l, err := lab.Open(ctx, lab.Options{Name: "dev", Reuse: true, Labels: map[string]string{"boardcafe.lab": engine.Checkout()}, Log: t.Logf, Output: os.Stdout})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(ctx)
	begin := time.Now()
	if err := l.PrepareCafe(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("prepared %s", time.Since(begin))
	begin = time.Now()
	playbook := os.Getenv("PLAY")
	args := []string{}
	if a := os.Getenv("ARGS"); a != "" {
		args = append(args, a)
	}
	_, err = l.Play(ctx, playbook, args...)
	t.Logf("%s %v", time.Since(begin), err)
}
