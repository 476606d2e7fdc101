package stackfile_test

import (
	"strings"
	"testing"

	"boardcafe/infra/rollout/model"
)

func TestTheNameOfAVersionFollowsItsContent(t *testing.T) {
	t.Parallel()
	name := func(stackName, key, value, hmacKey string) string {
		return model.SecretName(stackName, key, []byte(value), []byte(hmacKey))
	}
	base := name("cafe", "password", "one", "k")
	t.Run("OKSame", func(t *testing.T) {
		if again := name("cafe", "password", "one", "k"); again != base || !strings.HasPrefix(base, "cafe_password_") {
			t.Errorf("got %s and %s", base, again)
		}
	})
	t.Run("OKDiffersWithValueAndKey", func(t *testing.T) {
		if name("cafe", "password", "two", "k") == base || name("cafe", "password", "one", "l") == base {
			t.Error("two values or two keys make the same name")
		}
	})
	t.Run("OKLongNameKeepsItsVersion", func(t *testing.T) {
		long := strings.Repeat("k", 80)
		a, b := name("cafe", long, "one", "k"), name("cafe", long, "two", "k")
		if len(a) > 64 || len(b) > 64 || a == b {
			t.Errorf("got %s and %s, want two names of 64 at most", a, b)
		}
	})
	t.Run("OKConfigOfAnotherTemplating", func(t *testing.T) {
		text := "services: {a: {image: a}}\nconfigs: {c: {file: ./app.conf}}\n"
		plain := mustStack(t, text, versions()).Configs[0].Name
		withDriver := strings.Replace(text, "./app.conf", "./app.conf, template_driver: golang", 1)
		templated := mustStack(t, withDriver, versions()).Configs[0].Name
		if plain == templated {
			t.Errorf("both are %s", plain)
		}
	})
}
