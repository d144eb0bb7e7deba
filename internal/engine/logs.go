package engine

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

const (
	// logLines is how many of a service's last lines an error shows.
	logLines = 20
	// logBytes bounds what is read for them, textRunes what an error shows of one value or line.
	logBytes  = 256 << 10
	textRunes = 600
	logTime   = 5 * time.Second
)

// explain adds a service's last log lines to an error about it.
func (x *execution) explain(ctx context.Context, service string, err error) error {
	return &serviceError{service, x.engine.withLog(ctx, x.request.Enclave, service, err)}
}

func (e *Engine) withLog(ctx context.Context, enclaveName, service string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTime)
	defer cancel()
	lines, logErr := e.lastLines(ctx, enclaveName, service)
	switch {
	case logErr != nil:
		return fmt.Errorf("%w; its log could not be read: %v", err, logErr) //nolint:errorlint // The first is the cause.
	case len(lines) == 0:
		return fmt.Errorf("%w; its log is empty", err)
	}
	return fmt.Errorf("%w; its last log lines:%s", err, indented(lines))
}

func (e *Engine) lastLines(ctx context.Context, enclaveName, service string) (lines []string, err error) {
	stream, err := e.backend.Logs(ctx, enclaveName, service, enclave.LogOptions{Tail: logLines})
	if err != nil {
		return nil, err
	}
	defer stream.Close() //nolint:errcheck // It was read.
	text, err := io.ReadAll(io.LimitReader(stream, logBytes))
	if err != nil {
		return nil, err
	}
	return lastOf(string(text)), nil
}

// lastOf gives the last lines of a text.
func lastOf(text string) []string {
	text = strings.TrimRight(strings.ToValidUTF8(text, "\uFFFD"), "\r\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-logLines):]
}

func indented(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString("\n  | " + shorten(strings.TrimRight(line, "\r")))
	}
	return text.String()
}

// outputText says what a command wrote, as part of an error.
func outputText(output string) string {
	lines := lastOf(output)
	if len(lines) == 0 {
		return "; it wrote nothing"
	}
	return "; its last lines of output:" + indented(lines)
}

func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= textRunes {
		return text
	}
	return string(runes[:textRunes]) + "…"
}
