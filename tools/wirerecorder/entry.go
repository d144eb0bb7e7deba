package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Entry is one recorded request, one line of the log.
type Entry struct {
	// Time is when the request arrived, in UTC.
	Time time.Time `json:"time"`
	// AccessKey is the access key id that signed the request, empty for an unsigned one. It is no secret.
	AccessKey string `json:"access_key"`
	// Account is the account that the credentials belong to.
	Account string `json:"account"`
	// Service and Region come from the signature's credential scope, such as "sqs" and "eu-west-1".
	Service string `json:"service"`
	Region  string `json:"region"`
	// Operation is the API's name of what is asked, such as "ListQueues", derived from the wire. Where it cannot be
	// derived, it is the method and the path.
	Operation string `json:"operation"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	// Agent is the User-Agent header's beginning, to tell one program from another.
	Agent string `json:"agent,omitempty"`
	// Status is the answer's HTTP status, 502 when the upstream could not be reached or the client went away.
	Status int `json:"status"`
}

// logWriter appends entries to a log, whole lines only.
type logWriter struct {
	mu  sync.Mutex
	out io.Writer
}

// write appends one entry.
func (w *logWriter) write(entry Entry) error {
	line, err := json.Marshal(entry) //nolint:gosec // An access key's id is no secret, it is sent in the clear.
	if err != nil {
		return fmt.Errorf("encoding a log entry: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing a log entry: %w", err)
	}
	return nil
}

// readLog calls each for every entry of the log after the first skip lines, and returns how many lines there are.
func readLog(path string, skip int, each func(Entry)) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("cannot open the log: %w", err)
	}
	defer func() { _ = file.Close() }()
	reader := bufio.NewReader(file)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return number - 1, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return number - 1, fmt.Errorf("cannot read the log: %w", err)
		}
		var entry Entry
		if err := json.Unmarshal(line, &entry); err != nil {
			return number - 1, fmt.Errorf("%s:%d is no entry: %w", path, number, err)
		}
		if number > skip {
			each(entry)
		}
	}
}
