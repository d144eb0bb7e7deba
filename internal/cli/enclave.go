package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func newEnclave(t *tools) *cobra.Command {
	group := &cobra.Command{
		Use:   "enclave",
		Short: "Look at enclaves, compare, stop, start and remove them",
		Long:  "An enclave is one isolated environment on a backend: a Docker network with everything in it.",
		Args:  noCommand,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	group.AddCommand(newEnclaveList(t), newEnclaveInspect(t), newEnclaveDiff(t), newEnclaveDump(t), newEnclaveStop(t), newEnclaveStart(t), newEnclaveRemove(t))
	return group
}

// enclaveDocument is an enclave as people and programs read it.
type enclaveDocument struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Backend   string            `json:"backend"`
	Owner     string            `json:"owner"`
	Network   string            `json:"network"`
	Labels    map[string]string `json:"labels"`
	CreatedAt time.Time         `json:"created_at"`
	// ExpiresAt is null for an enclave that lives until it is removed.
	ExpiresAt *time.Time `json:"expires_at"`
	Expired   bool       `json:"expired"`
}

func describeEnclave(found *enclave.Enclave, now time.Time) enclaveDocument {
	document := enclaveDocument{
		ID: found.ID(), Name: found.Name, Backend: found.Backend, Owner: found.Owner, Network: found.Network,
		Labels: map[string]string{}, CreatedAt: found.CreatedAt.UTC(), Expired: isExpired(found, now),
	}
	maps.Copy(document.Labels, found.Labels)
	if !found.ExpiresAt.IsZero() {
		document.ExpiresAt = new(found.ExpiresAt.UTC())
	}
	return document
}

func isExpired(found *enclave.Enclave, now time.Time) bool {
	return !found.ExpiresAt.IsZero() && now.After(found.ExpiresAt)
}

// listedEnclave adds how many of its services run.
type listedEnclave struct {
	enclaveDocument
	Services int `json:"services"`
	Running  int `json:"running"`
}

func newEnclaveList(t *tools) *cobra.Command {
	var format formatFlag
	var backend backendFlag
	command := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the enclaves, whoever made them",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			engine, err := t.backend(backend)
			if err != nil {
				return err
			}
			listed, err := listEnclaves(command, engine, t.now())
			if err != nil {
				return explained(err)
			}
			if asJSON {
				return writeJSON(command, listed)
			}
			rows := [][]string{{"NAME", "SERVICES", "AGE", "EXPIRES", "OWNER"}}
			for _, found := range listed {
				rows = append(rows, []string{
					found.Name, fmt.Sprintf("%d/%d", found.Running, found.Services), age(t.now().Sub(found.CreatedAt)),
					expiryText(found.ExpiresAt, t.now()), found.Owner,
				})
			}
			return writeTable(command, rows)
		},
	}
	format.add(command)
	backend.add(command)
	return command
}

func listEnclaves(command *cobra.Command, backend enclave.Backend, now time.Time) ([]listedEnclave, error) {
	found, err := backend.ListEnclaves(command.Context())
	if err != nil {
		return nil, err
	}
	listed := make([]*listedEnclave, len(found))
	group, ctx := errgroup.WithContext(command.Context())
	group.SetLimit(8)
	for i := range found {
		group.Go(func() error {
			snapshot, err := backend.Observe(ctx, found[i].Name)
			if errors.Is(err, enclave.ErrNotFound) {
				return nil // Somebody has removed it meanwhile.
			}
			if err != nil {
				return err
			}
			entry := &listedEnclave{enclaveDocument: describeEnclave(&found[i], now)}
			for _, service := range sortedServices(snapshot) {
				entry.Services++
				if service.State == enclave.StateRunning {
					entry.Running++
				}
			}
			listed[i] = entry
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	result := []listedEnclave{}
	for _, entry := range listed {
		if entry != nil {
			result = append(result, *entry)
		}
	}
	return result, nil
}

// sortedServices gives the services of an enclave by name; tasks are none.
func sortedServices(snapshot *enclave.Snapshot) []enclave.Service {
	services := slices.Collect(maps.Values(snapshot.Services))
	services = slices.DeleteFunc(services, func(service enclave.Service) bool { return service.Task })
	slices.SortFunc(services, func(a, b enclave.Service) int { return cmp.Compare(a.Name, b.Name) })
	return services
}

// age says a time span as people do.
func age(span time.Duration) string {
	switch {
	case span >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(span.Hours()/24))
	case span >= 2*time.Hour:
		return fmt.Sprintf("%dh", int(span.Hours()))
	case span >= 2*time.Minute:
		return fmt.Sprintf("%dm", int(span.Minutes()))
	}
	return fmt.Sprintf("%ds", max(0, int(span.Seconds())))
}

func expiryText(expires *time.Time, now time.Time) string {
	switch {
	case expires == nil:
		return "never"
	case now.After(*expires):
		return "expired " + age(now.Sub(*expires)) + " ago"
	}
	return "in " + age(expires.Sub(now))
}

func labelText(labels map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, ", ")
}
