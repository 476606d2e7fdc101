package stack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Versions is what naming the versions of a stack's objects takes from the swarm.
type Versions struct {
	// Key makes the names of secrets' versions: a plain hash of a weak password in a name that
	// everybody sees is the password.
	Key []byte
	// Secrets and Configs are the current versions of external objects, by key. One that is
	// missing is taken to exist under the name that the file gives it.
	Secrets, Configs map[string]string
}

// SecretName is the name of the version of a secret with that value.
func SecretName(stack, key string, value, hmacKey []byte) string {
	mac := hmac.New(sha256.New, hmacKey)
	mac.Write([]byte(key + "\x00"))
	mac.Write(value)
	return versionName(stack+"_"+key, mac.Sum(nil))
}

// configName is the name of the version of a config with that content.
func configName(name string, data []byte, templating string) string {
	sum := sha256.New()
	sum.Write(data)
	sum.Write([]byte("\x00" + templating))
	return versionName(name, sum.Sum(nil))
}

// versionName shortens the name, never the version.
func versionName(name string, sum []byte) string {
	version := "_" + hex.EncodeToString(sum[:6])
	if room := maxObjectName - len(version); len(name) > room {
		name = strings.TrimRight(name[:room], "-_.")
	}
	return name + version
}
