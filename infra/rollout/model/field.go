package model

import (
	"regexp"
	"strings"
)

var camel = regexp.MustCompile(`([a-z])([A-Z])`)

// Snake writes the CamelCase name of an API's field as a stack file does: StopGracePeriod, stop_grace_period.
func Snake(name string) string {
	return strings.ToLower(camel.ReplaceAllString(name, "${1}_${2}"))
}

// Join adds a key to a path of keys: services.app and image make services.app.image.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
