package cli

import "github.com/spf13/cobra"

// ExitChanges is the exit status of a comparison that found changes, where --detailed-exitcode asked for it.
const ExitChanges = 2

// errChanges tells that there are changes; everything else has been said already.
var errChanges = &ExitError{Code: ExitChanges}

// detailedName is the flag's name, which Terraform's and OpenTofu's plan has as well.
const detailedName = "detailed-exitcode"

// detailedFlag has the exit status tell whether something would change.
type detailedFlag struct{ on bool }

func (f *detailedFlag) add(command *cobra.Command) {
	command.Flags().BoolVar(&f.on, detailedName, false, "exit status 0 when nothing would change, 2 when something would, 1 for every error")
}

// isDetailed tells whether a command was called with the flag.
func isDetailed(command *cobra.Command) bool {
	if command == nil {
		return false
	}
	flag := command.Flags().Lookup(detailedName)
	return flag != nil && flag.Value.String() == "true"
}
