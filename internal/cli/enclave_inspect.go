package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// inspection is everything about one enclave.
type inspection struct {
	enclaveDocument
	Runs      []runDocument      `json:"runs"`
	Services  []serviceDocument  `json:"services"`
	Artifacts []artifactDocument `json:"artifacts"`
}

type runDocument struct {
	Name      string     `json:"name"`
	Owner     string     `json:"owner"`
	CreatedAt *time.Time `json:"created_at"`
	// Complete tells that the last apply came to its end.
	Complete bool `json:"complete"`
	// Failure is why it did not; empty where it did, or was cut off.
	Failure string `json:"failure"`
	// Outdated says what the run has taken over from other runs and what is not so any more, and what of its own is lost.
	Outdated []string `json:"outdated"`
}

type serviceDocument struct {
	Name   string `json:"name"`
	Run    string `json:"run"`
	Status string `json:"status"`
	// Holds tells that the service is as its plan left it.
	Holds     bool           `json:"holds"`
	Image     string         `json:"image"`
	ImageID   string         `json:"image_id"`
	Container string         `json:"container"`
	Hostname  string         `json:"hostname"`
	IPAddress string         `json:"ip_address"`
	Ports     []portDocument `json:"ports"`
}

type portDocument struct {
	ID          string `json:"id"`
	Number      int    `json:"number"`
	Transport   string `json:"transport_protocol"`
	Application string `json:"application_protocol"`
	// Host and HostPort are empty and zero for a port that is not published.
	Host     string `json:"host"`
	HostPort int    `json:"host_port"`
	// URL is empty for a port that is not published, and for one whose application protocol nobody names.
	URL string `json:"url"`
}

// inside is the port's number and protocol within the enclave.
func (p portDocument) inside() string {
	return fmt.Sprintf("%d/%s", p.Number, strings.ToLower(p.Transport))
}

// address is where the port is reached from the user's machine; empty for one that is not published.
func (p portDocument) address() string {
	if p.HostPort == 0 || p.Host == "" {
		return ""
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(p.HostPort))
}

// reached is how the port is reached, as people would write it: by its URL, else by its address.
func (p portDocument) reached() string { return cmp.Or(p.URL, p.address()) }

type artifactDocument struct {
	Name   string `json:"name"`
	Run    string `json:"run"`
	Digest string `json:"digest"`
}

func newEnclaveInspect(t *tools) *cobra.Command {
	var format formatFlag
	var backend backendFlag
	command := &cobra.Command{
		Use:               "inspect NAME",
		Short:             "Show what is in an enclave: runs, services, addresses, files artifacts",
		Example:           "  sundog enclave inspect dev\n  sundog enclave inspect dev --format json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeEnclaves(&backend, false),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			_, _, found, err := backend.inspected(command.Context(), t, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(command, found)
			}
			return found.write(command, t.now())
		},
	}
	format.add(command)
	backend.add(command)
	return command
}

// inspected opens the enclave that an argument names and looks into it.
func (f *backendFlag) inspected(ctx context.Context, t *tools, argument string) (enclave.Backend, string, *inspection, error) {
	carrier, name, err := f.named(t, argument)
	if err != nil {
		return nil, "", nil, err
	}
	found, err := inspect(ctx, carrier, name, t.now())
	if err != nil {
		return nil, "", nil, missing(ctx, carrier, name, "", err)
	}
	return carrier, name, found, nil
}

func inspect(ctx context.Context, backend enclave.Backend, name string, now time.Time) (*inspection, error) {
	seen, err := engine.New(backend, engine.Options{}).Inspect(ctx, name)
	if err != nil {
		return nil, err
	}
	found := &inspection{
		enclaveDocument: describeEnclave(&seen.Enclave, now),
		Runs:            []runDocument{}, Services: []serviceDocument{}, Artifacts: []artifactDocument{},
	}
	for _, run := range seen.Runs {
		described := runDocument{Name: run.Run, Owner: run.Owner, Complete: run.Complete, Failure: run.Failure, Outdated: append([]string{}, run.Outdated...)}
		if !run.CreatedAt.IsZero() {
			described.CreatedAt = new(run.CreatedAt.UTC())
		}
		found.Runs = append(found.Runs, described)
		found.Services = append(found.Services, describeServices(run)...)
		for _, artifact := range slices.Sorted(maps.Keys(run.Artifacts)) {
			found.Artifacts = append(found.Artifacts, artifactDocument{artifact, run.Run, run.Artifacts[artifact]})
		}
	}
	slices.SortStableFunc(found.Services, func(a, b serviceDocument) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func describeServices(run *engine.Result) []serviceDocument {
	services := []serviceDocument{}
	for _, name := range slices.Sorted(maps.Keys(run.Services)) {
		service := run.Services[name]
		services = append(services, serviceDocument{
			Name: name, Run: run.Run, Status: service.Status, Holds: service.Holds, Image: service.Image, ImageID: service.ImageID,
			Container: service.ID, Hostname: service.Hostname, IPAddress: service.IPAddress, Ports: describePorts(service.Ports),
		})
	}
	return services
}

func describePorts(ports map[string]enclave.PublishedPort) []portDocument {
	described := []portDocument{}
	for _, id := range slices.Sorted(maps.Keys(ports)) {
		port := ports[id]
		described = append(described, portDocument{
			ID: id, Number: port.Number, Transport: port.Transport, Application: port.Application, Host: port.Host, HostPort: port.HostPort, URL: port.HostURL(),
		})
	}
	return described
}

func (i *inspection) write(command *cobra.Command, now time.Time) error {
	facts := [][]string{
		{"Enclave", i.ID},
		{"Owner", i.Owner},
		{"Network", orDash(i.Network)},
		{"Created", i.CreatedAt.Format(time.RFC3339)},
		{"Expires", expiryText(i.ExpiresAt, now)},
		{"Labels", orDash(labelText(i.Labels))},
	}
	if err := writeTable(command, facts); err != nil {
		return err
	}
	runs := [][]string{{"RUN", "STATUS", "OWNER"}}
	for _, run := range i.Runs {
		status := "partial"
		switch {
		case run.Complete && len(run.Outdated) > 0:
			status = "outdated"
		case run.Complete:
			status = "complete"
		}
		runs = append(runs, []string{run.Name, status, orDash(run.Owner)})
	}
	for _, table := range [][][]string{runs, i.serviceRows(), i.artifactRows()} {
		if len(table) == 1 {
			continue
		}
		fmt.Fprintln(command.OutOrStdout())
		if err := writeTable(command, table); err != nil {
			return err
		}
	}
	for _, run := range i.Runs {
		if len(run.Outdated) > 0 {
			fmt.Fprintf(command.OutOrStdout(), "\nThe run %q is outdated, and its next apply mends it:\n  %s\n", run.Name, strings.Join(run.Outdated, "\n  "))
		}
		if run.Failure != "" {
			fmt.Fprintf(command.OutOrStdout(), "\nThe last apply of the run %q failed:\n  %s\n", run.Name, strings.ReplaceAll(run.Failure, "\n", "\n  "))
		}
	}
	return nil
}

func (i *inspection) serviceRows() [][]string {
	rows := [][]string{{"SERVICE", "RUN", "STATUS", "IMAGE", "PORTS"}}
	for _, service := range i.Services {
		var ports []string
		for _, port := range service.Ports {
			text := port.ID + " " + port.inside()
			if at := port.reached(); at != "" {
				text += " at " + at
			}
			ports = append(ports, text)
		}
		rows = append(rows, []string{service.Name, service.Run, service.Status, orDash(service.Image), orDash(strings.Join(ports, ", "))})
	}
	return rows
}

func (i *inspection) artifactRows() [][]string {
	rows := [][]string{{"FILES ARTIFACT", "RUN", "DIGEST"}}
	for _, artifact := range i.Artifacts {
		rows = append(rows, []string{artifact.Name, artifact.Run, artifact.Digest})
	}
	return rows
}
