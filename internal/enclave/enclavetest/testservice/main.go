//go:build linux

// Testservice is the one program of the images that tests run: a service with ports, and the commands that tests run
// inside it. It needs neither a shell nor any other file, so it is the only thing in its image.
package main

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// commands by name; each gets its arguments and returns the exit code.
var commands = map[string]func(arguments []string) (int, error){
	"serve": serve,
	// echo prints its arguments, separated by blanks.
	"echo": func(arguments []string) (int, error) {
		fmt.Println(strings.Join(arguments, " "))
		return 0, nil
	},
	// both writes one line to stdout and one to stderr.
	"both": func([]string) (int, error) {
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		return 0, nil
	},
	// env prints one variable of the environment.
	"env": func(arguments []string) (int, error) {
		fmt.Print(os.Getenv(arguments[0]))
		return 0, nil
	},
	// cat prints a file.
	"cat": func(arguments []string) (int, error) {
		content, err := os.ReadFile(arguments[0])
		fmt.Print(string(content))
		return 0, err
	},
	// sum prints the SHA-256 of a file.
	"sum": func(arguments []string) (int, error) {
		file, err := os.Open(arguments[0])
		if err != nil {
			return 1, err
		}
		hash := sha256.New()
		_, err = io.Copy(hash, file)
		fmt.Printf("%x", hash.Sum(nil))
		return 0, err
	},
	// stdin prints what it reads.
	"stdin": func([]string) (int, error) {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return 0, err
	},
	// write makes a file: path, content.
	"write": func(arguments []string) (int, error) {
		return 0, writeFile(arguments[0] + "=" + arguments[1])
	},
	// folder makes one, and remove removes it with all that is in it.
	"folder": func(arguments []string) (int, error) { return 0, os.MkdirAll(arguments[0], 0o755) },
	"remove": func(arguments []string) (int, error) { return 0, os.RemoveAll(arguments[0]) },
	// list prints path, mode, owner and link of everything below a folder.
	"list": list,
	// exit ends with a code.
	"exit": func(arguments []string) (int, error) { return strconv.Atoi(arguments[0]) },
	// resolve prints the addresses of a host name.
	"resolve": func(arguments []string) (int, error) {
		addresses, err := net.LookupHost(arguments[0])
		sort.Strings(addresses)
		fmt.Println(strings.Join(addresses, " "))
		return 0, err
	},
	// get prints the body of a URL.
	"get": get,
	// pid prints the number of the process that started this one and of the first process's name.
	"init": func([]string) (int, error) {
		name, err := os.ReadFile("/proc/1/comm")
		fmt.Print(strings.TrimSpace(string(name)))
		return 0, err
	},
	// terminal tells the size of its terminal, now and whenever it changes, and the lines that it reads, until it is
	// interrupted: then it ends with code 42.
	"terminal": terminal,
	// whoami prints user, group and working folder.
	"whoami": func([]string) (int, error) {
		folder, err := os.Getwd()
		fmt.Printf("%d:%d %s\n", os.Getuid(), os.Getgid(), folder)
		return 0, err
	},
	// sleep waits for a duration.
	"sleep": func(arguments []string) (int, error) {
		duration, err := time.ParseDuration(arguments[0])
		time.Sleep(duration)
		return 0, err
	},
	// hog takes memory until it is killed.
	"hog": func([]string) (int, error) {
		var taken [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = byte(len(taken) + i)
			}
			taken = append(taken, block)
			if len(taken) > 1<<14 {
				return len(taken[0]), nil
			}
		}
	},
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "testservice: unknown command", os.Args[1:])
		os.Exit(64)
	}
	code, err := commands[os.Args[1]](os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testservice:", err)
		if code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// serve is the service itself.
func serve(arguments []string) (int, error) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	tcp := flags.String("tcp", "", "comma-separated ports on which lines are echoed")
	web := flags.String("http", "", "comma-separated ports that answer HTTP requests: /env/NAME, /file/PATH, /status/CODE, /echo, and else the host name")
	udp := flags.String("udp", "", "comma-separated ports on which datagrams are echoed")
	address := flags.String("address", "", "address to listen on")
	lines := flags.String("lines", "", "semicolon-separated lines to print at the start")
	files := flags.String("write", "", "semicolon-separated path=content to write at the start")
	delay := flags.Duration("delay", 0, "how long to wait before listening")
	after := flags.Duration("after", 0, "end after this time; 0 means never")
	code := flags.Int("exit", 0, "exit code of -after")
	atEnd := flags.String("at-end", "", "path=content to write when asked to end")
	stubborn := flags.Bool("stubborn", false, "ignore the request to end")
	if err := flags.Parse(arguments); err != nil {
		return 2, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	for _, line := range split(*lines, ";") {
		fmt.Println(line)
	}
	for _, file := range split(*files, ";") {
		if err := writeFile(file); err != nil {
			return 1, err
		}
	}
	time.Sleep(*delay)
	failures := make(chan error, 1)
	for _, port := range split(*tcp, ",") {
		go func() { failures <- serveTCP(net.JoinHostPort(*address, port)) }()
	}
	for _, port := range split(*web, ",") {
		server := &http.Server{Addr: net.JoinHostPort(*address, port), Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Minute}
		go func() { failures <- server.ListenAndServe() }()
	}
	for _, port := range split(*udp, ",") {
		go func() { failures <- serveUDP(net.JoinHostPort(*address, port)) }()
	}
	var end <-chan time.Time
	if *after > 0 {
		end = time.After(*after)
	}
	for {
		select {
		case err := <-failures:
			return 1, err
		case <-end:
			fmt.Println("ending with code", *code)
			return *code, nil
		case <-signals:
			if !*stubborn {
				fmt.Println("asked to end")
				if *atEnd != "" {
					return 0, writeFile(*atEnd)
				}
				return 0, nil
			}
		}
	}
}

func terminal([]string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGWINCH, os.Interrupt)
	lines := make(chan string)
	go func() {
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
	}()
	fmt.Println("TERM=" + os.Getenv("TERM"))
	for {
		width, height, err := term.GetSize(int(os.Stdout.Fd()))
		if err != nil {
			return 1, err
		}
		fmt.Printf("%dx%d\n", width, height)
		select {
		case line := <-lines:
			fmt.Println("read " + line)
		case received := <-signals:
			if received == os.Interrupt {
				return 42, nil
			}
		}
	}
}

func split(text, separator string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, separator)
}

func writeFile(assignment string) error {
	path, content, _ := strings.Cut(assignment, "=")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

func serveTCP(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}()
	}
}

func serveUDP(address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 1<<16)
	for {
		count, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(buffer[:count], from); err != nil {
			return err
		}
	}
}

func answer(w http.ResponseWriter, r *http.Request) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch what {
	case "env":
		fmt.Fprint(w, os.Getenv(rest))
	case "file":
		content, err := os.ReadFile("/" + rest)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(content)
	case "status":
		code, err := strconv.Atoi(rest)
		if err != nil {
			code = http.StatusBadRequest
		}
		w.WriteHeader(code)
	case "echo":
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		_, _ = io.Copy(w, r.Body)
	default:
		name, _ := os.Hostname()
		fmt.Fprint(w, name)
	}
}

func get(arguments []string) (int, error) {
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(arguments[0])
	if err != nil {
		return 1, err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return 0, err
}

func list(arguments []string) (int, error) {
	return 0, filepath.WalkDir(arguments[0], func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		owner := "?"
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			owner = fmt.Sprintf("%d:%d", stat.Uid, stat.Gid)
		}
		link := ""
		if target, err := os.Readlink(path); err == nil {
			link = " -> " + target
		}
		fmt.Printf("%s %s %s%s\n", path, info.Mode(), owner, link)
		return nil
	})
}
