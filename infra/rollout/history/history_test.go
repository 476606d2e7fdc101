package history_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/swarmtest"
)

func content() history.Content {
	return history.Content{Stack: model.Stack{
		Name: "cafe", Configs: []model.Object{{Key: "site", Name: "cafe_site-1"}},
		Secrets:  []model.Object{{Key: "password", Name: "cafe_password-1"}},
		Warnings: []model.Warning{{Text: "not kept"}},
	}}
}

func TestHistory(t *testing.T) {
	ctx := t.Context()
	h := history.History{Engine: swarmtest.New(), Stack: "cafe"}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	finish := func(status history.Status, reason string) history.Release {
		t.Helper()
		r, err := h.Begin(ctx, history.Release{Name: "3f2a1b", By: "anna", Started: at, Of: 4}, content())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Finish(ctx, r, status, reason, at); err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := finish(history.Deployed, "")
	if first.String() != "r1 (3f2a1b)" || (history.Release{Number: 2}).String() != "r2" {
		t.Error(first)
	}
	for range history.Keep + 2 {
		finish(history.Failed, strings.Repeat("é", 300))
	}
	if err := h.Trim(ctx); err != nil {
		t.Fatal(err)
	}
	releases, err := h.List(ctx)
	if err != nil || len(releases) != history.Keep+1 {
		t.Fatalf("%d releases, %v", len(releases), err)
	}
	newest, oldest := releases[0], releases[history.Keep]
	if newest.Number != history.Keep+3 || len([]rune(newest.Reason)) != 200 || newest.By != "anna" || newest.Of != 4 ||
		!newest.Ended.Equal(at) {
		t.Errorf("%+v", newest)
	}
	if oldest.Number != 1 {
		t.Errorf("the last good release was not kept: %v", oldest)
	}
	kept, err := oldest.Content()
	if err != nil || len(kept.Stack.Warnings) != 0 || !kept.Stack.Configs[0].External || !kept.Stack.Secrets[0].External {
		t.Errorf("%+v, %v", kept, err)
	}
	needed, err := history.Needed(releases)
	if err != nil || len(needed) != 2 || !needed["cafe_site-1"] {
		t.Errorf("%v, %v", needed, err)
	}
	if err := h.Finish(ctx, history.Release{Number: 99}, history.Failed, "", at); err == nil {
		t.Error("a release that is gone was finished")
	}
	if _, err := (history.Release{}).Content(); err == nil {
		t.Error("content out of nothing")
	}
}

func TestEngineErrors(t *testing.T) {
	down := errors.New("down")
	for _, method := range []string{"ConfigList", "ConfigCreate", "ConfigUpdate"} {
		s := swarmtest.New()
		h := history.History{Engine: s, Stack: "cafe"}
		s.Before = func(called string) error {
			if called == method {
				return down
			}
			return nil
		}
		r, err := h.Begin(t.Context(), history.Release{}, content())
		if err == nil {
			err = h.Finish(t.Context(), r, history.Deployed, "", time.Now())
		}
		if !errors.Is(err, down) {
			t.Errorf("%s: %v", method, err)
		}
	}
}
