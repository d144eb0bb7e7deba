package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is all that was measured. Durations are in nanoseconds.
type report struct {
	Started time.Time `json:"started"`
	CPUs    int       `json:"cpus"`
	// Incomplete tells that the benchmark failed or was interrupted.
	Incomplete bool `json:"incomplete,omitempty"`
	// Samples by services, peer and operation.
	Samples map[int]map[string]samples `json:"samples"`
	Empty   samples                    `json:"empty_resource"`
	// Calls by services, peer, operation and call.
	Calls map[int]map[string]map[string]map[string]int `json:"api_calls"`
	// Memory is the largest resident memory in bytes, by services and process.
	Memory         map[int]map[string]int64 `json:"peak_memory"`
	BinaryBytes    int64                    `json:"binary_bytes"`
	Startup        []time.Duration          `json:"startup"`
	StartupTrivial []time.Duration          `json:"startup_of_the_smallest_program"`
	Aims           []aim                    `json:"aims"`

	layout layout
}

// aim is a ratio that must not be exceeded.
type aim struct {
	Services  int    `json:"services"`
	Operation string `json:"operation"`
	Own       string `json:"own"`
	Other     string `json:"other"`
	comparison
	Most float64 `json:"most"`
	Met  bool    `json:"met"`
}

func newReport(s *settings) *report {
	return &report{
		Started: time.Now().UTC(), CPUs: runtime.NumCPU(), Samples: map[int]map[string]samples{}, Empty: samples{},
		Calls: map[int]map[string]map[string]map[string]int{}, Memory: map[int]map[string]int64{}, layout: s.layout(),
	}
}

func (r *report) samples(services int, peer string) samples {
	if r.Samples[services] == nil {
		r.Samples[services] = map[string]samples{}
	}
	if r.Samples[services][peer] == nil {
		r.Samples[services][peer] = samples{}
	}
	return r.Samples[services][peer]
}

func (r *report) count(services int, peer, operation string, calls map[string]int) {
	if r.Calls[services] == nil {
		r.Calls[services] = map[string]map[string]map[string]int{}
	}
	if r.Calls[services][peer] == nil {
		r.Calls[services][peer] = map[string]map[string]int{}
	}
	r.Calls[services][peer][operation] = calls
}

func (r *report) memory(services int, process string, peak int64) {
	if r.Memory[services] == nil {
		r.Memory[services] = map[string]int64{}
	}
	r.Memory[services][process] = peak
}

// judge compares what was measured with the aims.
func (r *report) judge() {
	r.Aims = nil
	add := func(services int, operation, own, other string, ours, theirs []time.Duration, most float64) {
		if result, ok := compare(ours, theirs); ok {
			r.Aims = append(r.Aims, aim{services, operation, own, other, result, most, result.Median <= most})
		}
	}
	for _, services := range slices.Sorted(maps.Keys(r.Samples)) {
		of := r.Samples[services]
		for _, each := range r.layout.rules {
			add(services, each.operation, peerEngine, each.other, of[peerEngine][each.operation], of[each.other][each.operation], each.most)
		}
		if services == emptyServices {
			add(services, opNoop, peerTofu, opEmpty, of[peerTofu][opNoop], r.Empty[opEmpty], aimEmpty)
		}
	}
}

// write writes the report to standard output and, as Markdown and JSON, into a folder.
func (r *report) write(folder string) error {
	r.judge()
	document, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var text strings.Builder
	r.markdown(&text)
	fmt.Print(text.String())
	err = errors.Join(
		os.WriteFile(filepath.Join(folder, "report.md"), []byte(text.String()), 0o600),
		os.WriteFile(filepath.Join(folder, "report.json"), append(document, '\n'), 0o600),
	)
	if err == nil {
		say("written to %s and report.json beside it", filepath.Join(folder, "report.md"))
	}
	return err
}

func (r *report) markdown(w io.Writer) {
	fmt.Fprintf(w, "# Sundog's speed\n\n%s, %d processors. Times are medians, in brackets the fastest; ratios are medians of pairs of one round.\n", r.Started.Format(time.DateTime), r.CPUs)
	if r.Incomplete {
		fmt.Fprint(w, "\n**Incomplete: the benchmark failed or was interrupted.**\n")
	}
	r.times(w)
	r.aims(w)
	r.calls(w)
	r.programs(w)
}

func (r *report) times(w io.Writer) {
	fmt.Fprintf(w, "\n## Times\n\n| services | operation | %s | %s | %s |\n| --- | --- |%s --- | --- |\n", strings.Join(r.layout.peers, " | "), r.layout.boundTitle, r.layout.otherTitle, strings.Repeat(" --- |", len(r.layout.peers)))
	for _, services := range slices.Sorted(maps.Keys(r.Samples)) {
		of := r.Samples[services]
		for _, operation := range r.layout.operations {
			var cells []string
			measured := false
			for _, peer := range r.layout.peers {
				taken := of[peer][operation]
				measured = measured || len(taken) > 0
				cells = append(cells, shownTime(taken))
			}
			if !measured {
				continue
			}
			fmt.Fprintf(w, "| %d | %s | %s | %s | %s |\n", services, operation, strings.Join(cells, " | "),
				shownRatio(of[peerEngine][operation], of[r.layout.bound][operation]), shownRatio(of[peerEngine][operation], of[r.layout.other][operation]))
		}
	}
	if len(r.Empty[opEmpty]) > 0 {
		fmt.Fprintf(w, "\nThrough the CLI, one enclave with nothing in it, applied once more: %s.\n", shownTime(r.Empty[opEmpty]))
	}
}

func shownTime(taken []time.Duration) string {
	if len(taken) == 0 || fastest(taken) < 10*time.Microsecond {
		return "–" // nothing had to be done
	}
	return fmt.Sprintf("%.3f s (%.3f)", median(taken).Seconds(), fastest(taken).Seconds())
}

func shownRatio(own, other []time.Duration) string {
	result, ok := compare(own, other)
	if !ok || fastest(other) < 10*time.Microsecond {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f)", result.Median, result.Fastest)
}

func (r *report) aims(w io.Writer) {
	fmt.Fprintf(w, "\n## Aims\n\n| services | operation | compared | ratio | of the fastest | at most | met |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, a := range r.Aims {
		met := "yes"
		if !a.Met {
			met = "**no**"
		}
		fmt.Fprintf(w, "| %d | %s | %s to %s | %.2f | %.2f | %.2f | %s |\n", a.Services, a.Operation, a.Own, a.Other, a.Median, a.Fastest, a.Most, met)
	}
}

func (r *report) calls(w io.Writer) {
	if len(r.Calls) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## API calls\n\n| services | operation | %s |\n| --- | --- |%s\n", strings.Join(r.layout.peers, " | "), strings.Repeat(" --- |", len(r.layout.peers)))
	for _, services := range slices.Sorted(maps.Keys(r.Calls)) {
		for _, operation := range lifecycle {
			var cells []string
			for _, peer := range r.layout.peers {
				cell := "–"
				if calls, found := r.Calls[services][peer][operation]; found {
					cell = strconv.Itoa(total(calls))
				}
				cells = append(cells, cell)
			}
			fmt.Fprintf(w, "| %d | %s | %s |\n", services, operation, strings.Join(cells, " | "))
		}
	}
	largest := slices.Max(slices.Collect(maps.Keys(r.Calls)))
	fmt.Fprintf(w, "\nSundog's own, by call, with %d services:\n\n", largest)
	for _, operation := range lifecycle {
		calls := r.Calls[largest][peerEngine][operation]
		var parts []string
		for _, name := range byCount(calls) {
			parts = append(parts, fmt.Sprintf("%d × %s", calls[name], name))
		}
		fmt.Fprintf(w, "- %s: %s\n", operation, strings.Join(parts, ", "))
	}
}

const mebibyte = 1 << 20

func (r *report) programs(w io.Writer) {
	if r.BinaryBytes > 0 {
		fmt.Fprintf(w, "\n## The program\n\nSize: %.1f MiB. Start-up (`sundog version`): %s; the smallest Go program: %s.\n", float64(r.BinaryBytes)/mebibyte, milliseconds(r.Startup), milliseconds(r.StartupTrivial))
	}
	if len(r.Memory) == 0 {
		return
	}
	fmt.Fprintf(w, "\nLargest resident memory, in MiB (under the CLI the largest of its own processes is in the last but one column):\n\n")
	processes := r.layout.processes
	fmt.Fprintf(w, "| services | %s |\n| --- |%s\n", strings.Join(processes, " | "), strings.Repeat(" --- |", len(processes)))
	for _, services := range slices.Sorted(maps.Keys(r.Memory)) {
		var cells []string
		for _, process := range processes {
			cell := "–"
			if peak := r.Memory[services][process]; peak > 0 {
				cell = fmt.Sprintf("%.0f", float64(peak)/mebibyte)
			}
			cells = append(cells, cell)
		}
		fmt.Fprintf(w, "| %d | %s |\n", services, strings.Join(cells, " | "))
	}
}

func milliseconds(taken []time.Duration) string {
	return fmt.Sprintf("%.1f ms (%.1f)", median(taken).Seconds()*1000, fastest(taken).Seconds()*1000)
}
