package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"boardcafe/app/mysql"
	"boardcafe/app/web"
)

const defaultAddr = ":8080"

// config is what the environment says. Every error names the variable, and none its value.
type config struct {
	addr       string
	database   mysql.Config
	staff      web.Staff
	sessionKey []byte
	https      bool
	drain      time.Duration
	trusted    []*net.IPNet
	logLevel   slog.Level
}

// readConfig reads the environment; a migration needs nothing of what is only for serving.
func readConfig(getenv func(string) string, serving bool) (c config, err error) {
	or := func(name, fallback string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return fallback
	}
	c.addr = or("CAFE_ADDR", defaultAddr)
	if _, _, err := net.SplitHostPort(c.addr); err != nil {
		return c, errors.New("CAFE_ADDR is not an address such as :8080")
	}
	c.database = mysql.Config{Host: or("CAFE_DB_HOST", "db"), Name: or("CAFE_DB_NAME", "cafe"),
		User: or("CAFE_DB_USER", "cafe")}
	if c.database.Port, err = strconv.Atoi(or("CAFE_DB_PORT", "3306")); err != nil || c.database.Port < 1 ||
		c.database.Port > 65535 {
		return c, errors.New("CAFE_DB_PORT is not a port from 1 to 65535")
	}
	if c.database.Password, err = secret(getenv, "CAFE_DB_PASSWORD"); err != nil {
		return c, err
	}
	if err := c.logLevel.UnmarshalText([]byte(or("CAFE_LOG_LEVEL", "info"))); err != nil {
		return c, errors.New("CAFE_LOG_LEVEL is not one of debug, info, warn, error")
	}
	if !serving {
		return c, nil
	}

	if c.drain, err = time.ParseDuration(or("CAFE_DRAIN", "5s")); err != nil || c.drain < 0 || c.drain > 5*time.Minute {
		return c, errors.New("CAFE_DRAIN is not a duration from 0s to 5m")
	}
	if c.https, err = strconv.ParseBool(or("CAFE_HTTPS", "false")); err != nil {
		return c, errors.New("CAFE_HTTPS is neither true nor false")
	}
	for _, text := range strings.Fields(strings.ReplaceAll(getenv("CAFE_TRUSTED_PROXIES"), ",", " ")) {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			return c, fmt.Errorf("CAFE_TRUSTED_PROXIES: %q is not a network such as 10.0.0.0/24", text)
		}
		c.trusted = append(c.trusted, network)
	}
	key, err := secret(getenv, "CAFE_SESSION_KEY")
	if err != nil {
		return c, err
	}
	if len(key) < 32 {
		return c, fmt.Errorf("CAFE_SESSION_KEY has %d bytes; it takes at least 32", len(key))
	}
	c.sessionKey = []byte(key)
	path := getenv("CAFE_STAFF_FILE")
	if path == "" {
		return c, errors.New("CAFE_STAFF_FILE is not set; make an account with `cafe hash-password`")
	}
	file, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("CAFE_STAFF_FILE: %w", err)
	}
	defer file.Close()
	if c.staff, err = web.ParseStaff(file); err != nil {
		return c, fmt.Errorf("CAFE_STAFF_FILE %s: %w", path, err)
	}
	return c, nil
}

// secret reads a secret from NAME or from the file that NAME_FILE names; the newline at the end
// of a file is not part of it.
func secret(getenv func(string) string, name string) (string, error) {
	value, path := getenv(name), getenv(name+"_FILE")
	switch {
	case value != "" && path != "":
		return "", fmt.Errorf("%s and %s_FILE are both set; keep one", name, name)
	case value != "":
		return value, nil
	case path == "":
		return "", fmt.Errorf("%s is not set; set it or %s_FILE", name, name)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	value = strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", fmt.Errorf("%s_FILE %s is empty", name, path)
	}
	return value, nil
}
