package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeLog writes entries, given as "account service operation", and returns the log's path.
func writeLog(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := &logWriter{out: file}
	for _, line := range lines {
		fields := strings.Fields(line)
		entry := Entry{
			Time: time.Unix(0, 0).UTC(), Account: fields[0], Service: fields[1], Operation: fields[2],
			Method: "POST", Path: "/", Status: 200,
		}
		if err := out.write(entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func summarize(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"summary"}, args...), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestSummaryOfReads(t *testing.T) {
	t.Parallel()
	path := writeLog(t, "111111111111 sqs ListQueues", "222222222222 sqs CreateQueue", "111111111111 s3 GetObject", "111111111111 sqs ListQueues")
	code, out, problems := summarize(t, "--log", path, "--account", "111111111111")
	want := "requests with credentials of account 111111111111:\n" +
		"  s3   GetObject   1  read\n  sqs  ListQueues  2  read\n3 requests, 3 reads, 0 others\n"
	if code != 0 || out != want {
		t.Errorf("code %d, %s\n%s\nwant\n%s", code, problems, out, want)
	}
}

func TestSummaryNamesWhatIsNoRead(t *testing.T) {
	t.Parallel()
	path := writeLog(t, "111111111111 sqs ListQueues", "111111111111 sqs ReceiveMessage", "111111111111 sqs ReceiveMessage")
	code, out, problems := summarize(t, "--log", path, "--account", "111111111111")
	if code != 1 || !strings.Contains(out, "not a read: sqs:ReceiveMessage, 2 times, first at 00:00:00.000: POST / -> 200") {
		t.Errorf("code %d, %s\n%s", code, problems, out)
	}
	if !strings.Contains(problems, "2 requests with credentials of account 111111111111 were not reads") {
		t.Errorf("the error is %q", problems)
	}
}

func TestSummarySkipsWhatCameBefore(t *testing.T) {
	t.Parallel()
	path := writeLog(t, "111111111111 sqs CreateQueue", "111111111111 sqs ListQueues")
	if code, out, problems := summarize(t, "--log", path, "--account", "111111111111", "--skip", "1"); code != 0 {
		t.Errorf("code %d, %s\n%s", code, problems, out)
	}
	var count bytes.Buffer
	if code := run(t.Context(), []string{"count", "--log", path}, &count, &count); code != 0 || count.String() != "2\n" {
		t.Errorf("counted %q with code %d", count.String(), code)
	}
}

func TestSummaryOfNothingFails(t *testing.T) {
	t.Parallel()
	path := writeLog(t, "222222222222 sqs ListQueues")
	code, _, problems := summarize(t, "--log", path, "--account", "111111111111")
	if code != 1 || !strings.Contains(problems, "no request with credentials of account 111111111111") {
		t.Errorf("code %d: %s", code, problems)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"unheard"},
		{"summary"},
		{"summary", "--unheard"},
		{"count"},
		{"serve"},
		{"serve", "--listen", "127.0.0.1:0", "--upstream", "no url", "--log", "l"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, &stderr, &stderr); code != 2 || !strings.Contains(stderr.String(), "usage:") {
			t.Errorf("%v: code %d: %s", args, code, stderr.String())
		}
	}
	if code, _, problems := summarize(t, "--log", "/nowhere/l", "--account", "1"); code != 1 || !strings.Contains(problems, "cannot open the log") {
		t.Errorf("code %d: %s", code, problems)
	}
}
