package model

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SecretName is the name of the version of a secret that has this value. hmacKey keeps the value out of the
// name, which everybody sees: a plain hash of a weak password can be guessed back.
func SecretName(stack, key string, value, hmacKey []byte) string {
	mac := hmac.New(sha256.New, hmacKey)
	mac.Write([]byte(key + "\x00"))
	mac.Write(value)
	return versionName(FullName(stack, key), mac.Sum(nil))
}

// ConfigName is the name of the version of a config that has this content.
func ConfigName(name string, data []byte, templating string) string {
	sum := sha256.New()
	sum.Write(data)
	sum.Write([]byte("\x00" + templating))
	return versionName(name, sum.Sum(nil))
}

// versionName adds the version to a name. It shortens the name where both are too long, never the version.
func versionName(name string, sum []byte) string {
	version := "_" + hex.EncodeToString(sum[:6])
	if room := MaxObjectName - len(version); len(name) > room {
		name = strings.TrimRight(name[:room], "-_.")
	}
	return name + version
}
