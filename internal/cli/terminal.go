package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// terminalOf gives the terminal behind an input or output, if there is one.
func terminalOf(stream any) (*os.File, bool) {
	file, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, false
	}
	return file, true
}

// colours tells whether an output may be coloured: https://no-color.org has the rule.
func colours(to io.Writer, refused bool) bool {
	_, isTerminal := terminalOf(to)
	return isTerminal && !refused && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours, by their numbers in the terminal's own palette.
const (
	red    = 31
	green  = 32
	yellow = 33
	faint  = 2
)

// sizeOf is a terminal's size; zero where it cannot be told.
func sizeOf(terminal *os.File) enclave.TerminalSize {
	width, height, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return enclave.TerminalSize{}
	}
	return enclave.TerminalSize{Width: width, Height: height}
}
