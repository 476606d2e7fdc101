package stackfile_test

import (
	"strings"
	"testing"
)

func TestTheLintNamesWhatWillHurt(t *testing.T) {
	t.Parallel()
	for _, c := range cases(t, "lint.txtar") {
		t.Run("OK"+c.name, func(t *testing.T) {
			t.Parallel()
			got := mustStack(t, c.text, versions()).Warnings
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("got %v, want none", got)
				}
				return
			}
			if len(got) != 1 || !strings.HasPrefix(got[0].Service+": "+got[0].Text, c.want) {
				t.Errorf("got %v, want %s…", got, c.want)
			}
		})
	}
}
