package progress

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"boardcafe/infra/rollout/watch"
)

// jsonLines writes a JSON object for each change of state, on a line of its own.
type jsonLines struct {
	mu    sync.Mutex
	w     io.Writer
	shown map[string]watch.Status
}

type event struct {
	Time    time.Time     `json:"time"`
	Type    string        `json:"type"` // step, warning or service
	Text    string        `json:"text,omitempty"`
	Service *watch.Status `json:"service,omitempty"`
}

func (j *jsonLines) Step(text string) { j.write(event{Type: "step", Text: text}) }

func (j *jsonLines) Warn(text string) { j.write(event{Type: "warning", Text: text}) }

func (j *jsonLines) Services(statuses []watch.Status) {
	if j.shown == nil {
		j.shown = map[string]watch.Status{}
	}
	for _, status := range statuses {
		if before, ok := j.shown[status.Service]; ok && before == status {
			continue
		}
		j.shown[status.Service] = status
		j.write(event{Type: "service", Service: &status})
	}
}

func (j *jsonLines) Close() {}

func (j *jsonLines) write(e event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Time = time.Now().UTC()
	json.NewEncoder(j.w).Encode(e)
}
