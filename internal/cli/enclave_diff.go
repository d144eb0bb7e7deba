package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// diffDocument is what a run would do.
type diffDocument struct {
	Enclave string `json:"enclave"`
	Run     string `json:"run"`
	// Exists tells that the enclave is there; it would be made otherwise.
	Exists bool `json:"exists"`
	// Changes counts the decisions other than keep.
	Changes   int                `json:"changes"`
	Decisions []decisionDocument `json:"decisions"`
}

func newEnclaveDiff(t *tools) *cobra.Command {
	var flags packageFlags
	var backend backendFlag
	var format formatFlag
	var detailed detailedFlag
	command := &cobra.Command{
		Use:   "diff NAME PACKAGE",
		Short: "Show what `sundog run` would do in an enclave, and why",
		Long: "It touches nothing and takes the same decisions as a run, by the same rules. What depends on values that only the run\n" +
			"can tell reads \"later\". Exit status: 0 also when there are changes; with --detailed-exitcode 0 when there are none, 2\n" +
			"when there are, and 1 for every error.",
		Example:           "  sundog enclave diff dev ./shop --args '{\"replicas\": 3}'\n  sundog enclave diff dev ./shop --detailed-exitcode || echo changed",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: t.completeEnclaves(&backend, false),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			if err := flags.check(); err != nil {
				return err
			}
			carrier, name, err := backend.named(t, args[0])
			if err != nil {
				return err
			}
			made, err := flags.interpret(command, args[1], carrier, name)
			if err != nil {
				return failed(err)
			}
			request, err := flags.request(made, name)
			if err != nil {
				return err
			}
			document, err := compare(command.Context(), carrier, request)
			if err != nil {
				return explained(err)
			}
			return document.show(command, asJSON, detailed)
		},
	}
	flags.add(command)
	detailed.add(command)
	backend.add(command)
	format.add(command)
	return command
}

// compare refuses what a run would refuse.
func compare(ctx context.Context, backend enclave.Backend, request engine.Request) (*diffDocument, error) {
	if err := engine.CheckPlan(backend, request.Plan); err != nil {
		return nil, err
	}
	document := &diffDocument{Enclave: backend.Name() + "/" + request.Enclave, Run: request.Run}
	found, err := backend.Enclave(ctx, request.Enclave)
	var decisions []engine.Decision
	switch {
	case errors.Is(err, enclave.ErrNotFound):
		decisions, err = engine.DiffFresh(request)
	case err != nil:
	case found.Owner != request.Owner:
		err = &enclave.OwnedError{Kind: "enclave", Name: found.Name, Owner: found.Owner, CreatedAt: found.CreatedAt}
	default:
		document.Exists = true
		decisions, err = engine.New(backend, engine.Options{}).Diff(ctx, request)
	}
	if err != nil {
		return nil, err
	}
	document.Decisions = describeDecisions(request.Plan, decisions)
	for _, decision := range decisions {
		if decision.Action != engine.ActionKeep {
			document.Changes++
		}
	}
	return document, nil
}

// show writes a comparison and, where it was asked for, tells by the exit status whether there are changes.
func (d *diffDocument) show(command *cobra.Command, asJSON bool, detailed detailedFlag) error {
	var err error
	if asJSON {
		err = writeJSON(command, d)
	} else {
		err = d.write(command)
	}
	if err == nil && detailed.on && (d.Changes > 0 || !d.Exists) {
		return errChanges
	}
	return err
}

func (d *diffDocument) write(command *cobra.Command) error {
	var rows [][]string
	for _, decision := range d.Decisions {
		rows = append(rows, []string{sign(decision.Action) + " " + decision.Action, decision.Kind + " " + decision.Object, decision.Reason, decision.Position})
	}
	if err := writeTable(command, rows); err != nil {
		return err
	}
	out := command.OutOrStdout()
	if len(rows) > 0 {
		fmt.Fprintln(out)
	}
	switch {
	case !d.Exists:
		fmt.Fprintf(out, "The enclave %s would be made, and the run %q in it.\n", d.Enclave, d.Run)
	case d.Changes == 0:
		fmt.Fprintf(out, "The enclave %s holds the run %q: nothing would change.\n", d.Enclave, d.Run)
	default:
		fmt.Fprintf(out, "In the enclave %s the run %q would change %d of %d.\n", d.Enclave, d.Run, d.Changes, len(d.Decisions))
	}
	return nil
}

// sign shows an action at a glance.
func sign(action string) string {
	switch engine.Action(action) {
	case engine.ActionKeep:
		return " "
	case engine.ActionCreate:
		return "+"
	case engine.ActionRemove:
		return "-"
	case engine.ActionReplace, engine.ActionUpdate:
		return "~"
	case engine.ActionLater:
		return "?"
	case engine.ActionRun, engine.ActionStart, engine.ActionStop:
	}
	return ">"
}
