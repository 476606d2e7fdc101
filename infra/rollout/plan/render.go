package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"boardcafe/infra/rollout/model"
)

// marks show an action at the left margin, with or without colour.
var marks = map[Action]string{
	Create: "+", Update: "~", Replace: "±", Remove: "-", Execute: ">", Keep: "=", Unchanged: "=",
}

// View is how a plan is shown.
type View struct {
	Target string // the engine, as the user named it
	// ShowEnv prints the values of environment variables. They are hidden otherwise: passwords are among them.
	ShowEnv bool
}

// Text writes the plan for people.
func (p *Plan) Text(w io.Writer, view View) {
	fmt.Fprintf(w, "Stack %s on %s: %s → %s\n\n", p.Stack, view.Target, orNone(p.From), orNone(p.To))
	for _, line := range p.lines(view) {
		fmt.Fprintf(w, "  %s %-8s %-28s %s\n", marks[line.Action], line.Kind, line.Name, shorten(line.Note))
		for _, change := range line.Changes {
			before, after := orNone(shorten(change.Old)), orNone(shorten(change.New))
			fmt.Fprintf(w, "      %-30s %s → %s\n", change.Field, before, after)
		}
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "  ! %s\n", warningText(warning))
	}
	fmt.Fprintf(w, "\n%s\n", p.Summary())
}

// JSON writes the plan for programs.
func (p *Plan) JSON(w io.Writer, view View) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Stack    string          `json:"stack"`
		From     string          `json:"from,omitempty"`
		To       string          `json:"to,omitempty"`
		Changes  bool            `json:"changes"`
		Lines    []Line          `json:"operations"`
		Warnings []model.Warning `json:"warnings,omitempty"`
	}{p.Stack, p.From, p.To, !p.Empty(), p.lines(view), p.Warnings})
}

// Summary counts what is to be done.
func (p *Plan) Summary() string {
	if p.Empty() {
		return "Nothing to change."
	}
	count := map[Action]int{}
	for _, operation := range p.Operations() {
		count[operation.Line().Action]++
	}
	var parts []string
	for _, action := range []Action{Create, Update, Replace, Execute, Remove} {
		if count[action] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", count[action], action))
		}
	}
	return strings.Join(parts, ", ") + fmt.Sprintf(", %d unchanged.", len(p.Unchanged))
}

// Operations are all operations, in the order in which they run.
func (p *Plan) Operations() []Operation {
	var out []Operation
	out = append(out, p.Prepare...)
	for _, wave := range p.Waves {
		out = append(out, wave...)
	}
	return append(out, p.Prune...)
}

// lines are the operations and, after them, what stays as it is.
func (p *Plan) lines(view View) []Line {
	var out []Line
	for _, operation := range p.Operations() {
		out = append(out, masked(operation.Line(), view))
	}
	for _, name := range p.Unchanged {
		out = append(out, Line{Action: Unchanged, Kind: Service, Name: name, Note: "unchanged"})
	}
	for _, name := range p.Kept {
		const note = "not in the file, kept; remove it with --prune"
		out = append(out, Line{Action: Keep, Kind: Service, Name: name, Note: note})
	}
	return out
}

const mask = "•••"

func masked(line Line, view View) Line {
	if view.ShowEnv {
		return line
	}
	changes := make([]Change, 0, len(line.Changes))
	for _, change := range line.Changes {
		if strings.HasPrefix(change.Field, "environment[") {
			change.Old, change.New = maskValue(change.Old), maskValue(change.New)
		}
		changes = append(changes, change)
	}
	line.Changes = changes
	return line
}

func maskValue(value string) string {
	if value == "" {
		return ""
	}
	return mask
}

var digest = regexp.MustCompile(`@sha256:([0-9a-f]{12})[0-9a-f]{52}`)

// shorten cuts a digest to the digits that people compare.
func shorten(text string) string {
	return digest.ReplaceAllString(text, "@$1")
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

func warningText(w model.Warning) string {
	if w.Service == "" {
		return w.Text
	}
	return w.Service + ": " + w.Text
}
