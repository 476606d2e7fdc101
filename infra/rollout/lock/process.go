package lock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process identifies this process among all that ever ran on this machine. It has the boot, the namespace of the
// process's number, the number itself, and the time of its start, since numbers are used again. It is empty where
// the system does not tell.
func Process() string {
	started, err := startOf(os.Getpid())
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%d/%s", machine(), os.Getpid(), started)
}

// Alive tells whether that process runs. For a process of another machine, known is false.
func Alive(process string) (alive, known bool) {
	parts := strings.Split(process, "/")
	if len(parts) != 3 || parts[0] != machine() {
		return false, false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil {
		return false, false
	}
	started, err := startOf(pid)
	if err != nil && !os.IsNotExist(err) {
		return false, false
	}
	return started == parts[2], true
}

func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + namespace
}

// startOf is field 22 of /proc/PID/stat; the command's name before it may hold spaces and brackets.
func startOf(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has another form", pid)
	}
	return fields[19], nil
}
