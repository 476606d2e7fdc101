package watch

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// LogEngine is the part of the Docker API that has the logs of tasks.
type LogEngine interface {
	TaskLogs(ctx context.Context, id string, options container.LogsOptions) (io.ReadCloser, error)
}

const (
	logLines = 20
	// logPatience is for one task's log: a machine that is gone does not answer.
	logPatience = 10 * time.Second
)

// Log is the end of a task's log. A log that cannot be read has one line that says why: the task has a TTY, or
// its log driver only writes.
func Log(ctx context.Context, engine LogEngine, id string) []string {
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(logLines)}
	stream, err := engine.TaskLogs(ctx, id, options)
	if err != nil {
		return noLog(err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, io.LimitReader(stream, 1<<20)); err != nil && text.Len() == 0 {
		return noLog(err)
	}
	var lines []string
	scanner := bufio.NewScanner(&text)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, strings.TrimRight(scanner.Text(), "\r"))
	}
	return lines[max(0, len(lines)-logLines):]
}

func noLog(err error) []string {
	return []string{"(no log: " + strings.Join(strings.Fields(err.Error()), " ") + ")"}
}
