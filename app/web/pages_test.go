package web_test

import (
	"strings"
	"testing"
	"time"

	"boardcafe/app/web"
)

// The page says how long ago, without a script and whatever the age.
func TestAgo(t *testing.T) {
	t.Parallel()
	var now time.Time
	s := newSite(t, func(c *web.Config) { c.Now = func() time.Time { return now } })
	at := s.customer("Ann", 1, s.game("Azul", 1).ID).ReservedAt
	b := s.signedIn()
	for after, want := range map[time.Duration]string{
		0: "just now", -time.Minute: "just now", 12*time.Minute + time.Second: "12 min ago",
		65 * time.Minute: "1 h 5 min ago", 25 * time.Hour: "1 day ago", 50 * time.Hour: "2 days ago",
	} {
		now = at.Add(after)
		if got := strings.TrimSpace(b.get("/").Find("table.customers .ago").Text()); got != want {
			t.Errorf("after %v: got %q, want %q", after, got, want)
		}
	}
}
