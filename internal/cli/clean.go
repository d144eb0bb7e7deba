package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// cleanPatience is how long an apply in an expired enclave is waited for. Whoever applies there still needs it.
const cleanPatience = 10 * time.Second

// cleanedEnclave is an expired enclave, or what was left of one, and what became of it.
type cleanedEnclave struct {
	enclaveDocument
	// Orphan tells that there is no enclave, only Objects that were left of it.
	Orphan bool `json:"orphan"`
	// Image is the id of an image that was built for an enclave that is gone; empty where it is about an enclave.
	Image   string   `json:"image,omitempty"`
	Objects []string `json:"objects,omitempty"`
	Removed bool     `json:"removed"`
	// Error is why it was not removed; empty where it was not tried.
	Error string `json:"error,omitempty"`
}

// cleaning is how `sundog clean` was called.
type cleaning struct {
	tools               *tools
	backend             enclave.Backend
	names               []string // only these; empty means all
	notices             io.Writer
	dryRun, yes, asJSON bool
}

func newClean(t *tools) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	call := cleaning{tools: t}
	command := &cobra.Command{
		Use:   "clean [NAME...]",
		Short: "Remove the enclaves whose time to live is over, and what was left of others",
		Long: "It lists the expired enclaves, of whatever owner, and objects with Sundog's labels that belong to no enclave any more,\n" +
			"asks, and removes them; with NAME only what bears one of these names. Images that were built for enclaves and that none\n" +
			"uses any more go as well, unless names are given or an apply is under way. An enclave whose time to live was extended\n" +
			"meanwhile is left alone, and so is one in which an apply is under way, or that somebody is making.\n" +
			"Exit status: 0 when nothing of them is left (or --dry-run), 1 when something is, or when nothing was removed.",
		Example:           "  sundog clean --dry-run\n  sundog clean --yes --format json      # in a nightly job\n  sundog clean feature-1",
		ValidArgsFunction: t.completeAllEnclaves(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			var err error
			call.names, call.notices = args, command.ErrOrStderr()
			if call.asJSON, err = format.json(); err != nil {
				return err
			}
			if call.asJSON && !call.dryRun && !call.yes {
				return usage("--format json cannot ask: add --yes or --dry-run")
			}
			if call.backend, err = t.backend(backend); err != nil {
				return err
			}
			return call.run(command)
		},
	}
	backend.add(command)
	format.add(command)
	command.Flags().BoolVar(&call.dryRun, "dry-run", false, "only list them")
	command.Flags().BoolVarP(&call.yes, "yes", "y", false, "do not ask")
	return command
}

func (c *cleaning) run(command *cobra.Command) error {
	expired, err := expiredEnclaves(command.Context(), c.backend, c.tools.now())
	if err != nil {
		return explained(err)
	}
	orphans, err := orphansOf(command.Context(), c.backend)
	if err != nil {
		return explained(err)
	}
	expired = c.chosen(append(expired, orphans...))
	if !c.asJSON {
		if err := writeExpired(command, expired, c.tools.now()); err != nil {
			return err
		}
	}
	if len(expired) > 0 && !c.dryRun {
		if !c.yes && !confirm(command, fmt.Sprintf("Remove %d with everything in them, data included? [y/N] ", len(expired))) {
			return failed(errors.New("nothing was removed: answer y, or add --yes"))
		}
		err = c.remove(command, expired)
	}
	if c.asJSON {
		if writeErr := writeJSON(command, expired); writeErr != nil {
			return writeErr
		}
	}
	return explained(err)
}

func expiredEnclaves(ctx context.Context, backend enclave.Backend, now time.Time) ([]cleanedEnclave, error) {
	listed, err := backend.ListEnclaves(ctx)
	if err != nil {
		return nil, err
	}
	expired := []cleanedEnclave{}
	for i := range listed {
		if isExpired(&listed[i], now) {
			expired = append(expired, cleanedEnclave{enclaveDocument: describeEnclave(&listed[i], now)})
		}
	}
	return expired, nil
}

// orphansOf lists what was left of enclaves, on backends where something can be left.
func orphansOf(ctx context.Context, backend enclave.Backend) ([]cleanedEnclave, error) {
	tidy, ok := backend.(enclave.Tidy)
	if !ok {
		return nil, nil
	}
	found, err := tidy.Orphans(ctx)
	if err != nil {
		return nil, err
	}
	orphans := []cleanedEnclave{}
	for _, orphan := range found {
		orphans = append(orphans, cleanedEnclave{Orphan: true, Objects: orphan.Objects, enclaveDocument: enclaveDocument{
			ID: backend.Name() + "/" + orphan.Name, Name: orphan.Name, Backend: backend.Name(), Owner: orphan.Owner,
			Labels: map[string]string{}, CreatedAt: orphan.CreatedAt,
		}})
	}
	images, err := tidy.OrphanImages(ctx)
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		orphans = append(orphans, cleanedEnclave{Orphan: true, Image: image.ID, Objects: []string{"image " + image.Title()}, enclaveDocument: enclaveDocument{
			Backend: backend.Name(), Labels: map[string]string{}, CreatedAt: image.CreatedAt,
		}})
	}
	return orphans, nil
}

// chosen leaves out what is not asked for.
func (c *cleaning) chosen(expired []cleanedEnclave) []cleanedEnclave {
	if len(c.names) == 0 {
		return expired
	}
	return slices.DeleteFunc(expired, func(entry cleanedEnclave) bool { return !slices.Contains(c.names, entry.Name) || entry.Name == "" })
}

// title is how people know what is removed.
func (e *cleanedEnclave) title() string {
	if e.Image != "" {
		return strings.Join(e.Objects, ", ")
	}
	return e.Name
}

func writeExpired(command *cobra.Command, expired []cleanedEnclave, now time.Time) error {
	if len(expired) == 0 {
		_, err := fmt.Fprintln(command.OutOrStdout(), "No enclave has expired, and nothing was left of any.")
		return failed(err)
	}
	rows := [][]string{{"NAME", "WHY", "OWNER"}}
	for _, entry := range expired {
		why := expiryText(entry.ExpiresAt, now)
		switch {
		case entry.Image != "":
			why = "no enclave uses it any more"
		case entry.Orphan:
			why = "no enclave any more: " + strings.Join(entry.Objects, ", ")
		}
		rows = append(rows, []string{entry.title(), why, orDash(entry.Owner)})
	}
	return writeTable(command, rows)
}

func confirm(command *cobra.Command, question string) bool {
	fmt.Fprint(command.ErrOrStderr(), question)
	answer, _ := bufio.NewReader(command.InOrStdin()).ReadString('\n')
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

func (c *cleaning) removeOne(ctx context.Context, entry *cleanedEnclave) error {
	if tidy, ok := c.backend.(enclave.Tidy); ok && entry.Orphan {
		if entry.Image != "" {
			return tidy.RemoveOrphanImage(ctx, entry.Image)
		}
		return tidy.RemoveOrphan(ctx, entry.Name)
	}
	return engine.New(c.backend, engine.Options{Command: "sundog clean", Events: c.tell}).Dispose(ctx, entry.Name, engine.Disposal{
		Patience: cleanPatience, Still: func(now *enclave.Enclave) bool { return isExpired(now, c.tools.now()) },
	})
}

// tell tells for whom it waits.
func (c *cleaning) tell(event engine.Event) {
	if !c.asJSON {
		fmt.Fprintln(c.notices, progressLine(event, 0))
	}
}

// remove removes one after the other and notes what became of each.
func (c *cleaning) remove(command *cobra.Command, expired []cleanedEnclave) error {
	var failures []error
	for i := range expired {
		entry := &expired[i]
		if err := command.Context().Err(); err != nil {
			return errors.Join(append(failures, err)...)
		}
		err := c.removeOne(command.Context(), entry)
		switch {
		case errors.Is(err, engine.ErrSpared):
			entry.Error = "its time to live was extended meanwhile"
		case err != nil:
			entry.Error = err.Error()
			failures = append(failures, err)
		default:
			entry.Removed = true
		}
		if c.asJSON {
			continue
		}
		if entry.Removed {
			fmt.Fprintln(command.OutOrStdout(), "removed", entry.title())
		} else {
			fmt.Fprintf(command.OutOrStdout(), "left %s: %s\n", entry.title(), entry.Error)
		}
	}
	return errors.Join(failures...)
}
