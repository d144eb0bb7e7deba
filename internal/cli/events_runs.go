package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// runSummary is one apply of a run as its events tell.
type runSummary struct {
	Enclave   string     `json:"enclave"`
	Run       string     `json:"run"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	// Seconds it took; so far, for one that has not ended.
	Seconds float64 `json:"seconds"`
	// Status is "done", "failed" or "open": under way, or cut off.
	Status  string `json:"status"`
	Message string `json:"message"`
	last    time.Time
}

// summarise gathers the applies out of their events, oldest first.
func summarise(found []writtenEvent) []*runSummary {
	summaries := []*runSummary{}
	open := map[string]*runSummary{}
	for i := range found {
		event := &found[i]
		current := open[event.about()]
		switch {
		case event.Step == applyStep && event.Status == "started":
			current = &runSummary{Enclave: event.Enclave, Run: event.Run, StartedAt: event.Time, Status: "open", last: event.Time}
			summaries, open[event.about()] = append(summaries, current), current
		case current == nil:
		case event.Step == applyStep:
			current.EndedAt, current.Status, current.Message, current.last = &event.Time, event.Status, event.Message, event.Time
			delete(open, event.about())
		default:
			current.last = event.Time
			current.Message = progressLine(event.Event, 0)
		}
	}
	for _, summary := range summaries {
		summary.Seconds = summary.last.Sub(summary.StartedAt).Seconds()
	}
	return summaries
}

// showRuns writes one line for each apply.
func showRuns(command *cobra.Command, reader *eventReader, from time.Time, tail int, asJSON bool) error {
	found, err := reader.read()
	if err != nil {
		return failed(err)
	}
	summaries := []*runSummary{}
	for _, summary := range summarise(found) {
		if !summary.last.Before(from) {
			summaries = append(summaries, summary)
		}
	}
	if tail > 0 {
		summaries = summaries[max(0, len(summaries)-tail):]
	}
	if asJSON {
		return writeJSON(command, summaries)
	}
	rows := [][]string{{"STARTED", "RUN", "TOOK", "STATUS", "SUMMARY"}}
	for _, summary := range summaries {
		message := messageText(summary.Message)
		if message != "" {
			message = message[len(": "):]
		}
		rows = append(rows, []string{
			summary.StartedAt.Local().Format(time.DateTime), summary.Enclave + "/" + summary.Run, fmt.Sprintf("%.1fs", summary.Seconds), summary.Status, message,
		})
	}
	return writeTable(command, rows)
}
