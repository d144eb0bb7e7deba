package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// servicePorts are the ports of one service.
type servicePorts struct {
	Service string         `json:"service"`
	Ports   []portDocument `json:"ports"`
}

func newPort(t *tools) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	var asURL bool
	command := &cobra.Command{
		Use:   "port ENCLAVE [SERVICE [PORT]]",
		Short: "Print where ports of services are reached from this machine",
		Long: "With PORT, which is a port's id or number, it prints host:port and nothing else, for scripts; with --url the port's\n" +
			"URL. A port that is not published is a failure then: `sundog forward` reaches it. Without SERVICE it lists the ports\n" +
			"of all services.",
		Example:           "  sundog port dev\n  sundog port dev api\n  curl http://$(sundog port dev api http)/\n  curl $(sundog port dev api http --url)",
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: t.completePorts(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			if asURL && len(args) < 3 {
				return usage("--url: name the port whose URL is meant, as in `sundog port %s SERVICE PORT --url`", args[0])
			}
			if len(args) == 1 {
				return allPorts(command, t, &backend, args[0], asJSON)
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			found, err := carrier.Service(command.Context(), name, args[1])
			if err != nil {
				return missing(command.Context(), carrier, name, args[1], err)
			}
			ports := describePorts(found.Ports)
			switch {
			case len(args) == 3:
				return onePort(command, name, found, args[2], asJSON, asURL)
			case asJSON:
				return writeJSON(command, ports)
			}
			return writeTable(command, portRows([][]string{{"PORT", "INSIDE", "APPLICATION", "REACHED AT"}}, nil, ports))
		},
	}
	backend.add(command)
	format.add(command)
	command.Flags().BoolVar(&asURL, "url", false, "print the port's URL, which takes its application protocol from the package")
	return command
}

func allPorts(command *cobra.Command, t *tools, backend *backendFlag, argument string, asJSON bool) error {
	carrier, name, err := backend.named(t, argument)
	if err != nil {
		return err
	}
	snapshot, err := carrier.Observe(command.Context(), name)
	if err != nil {
		return missing(command.Context(), carrier, name, "", err)
	}
	documents := []servicePorts{}
	rows := [][]string{{"SERVICE", "PORT", "INSIDE", "APPLICATION", "REACHED AT"}}
	for _, service := range sortedServices(snapshot) {
		ports := describePorts(service.Ports)
		documents = append(documents, servicePorts{service.Name, ports})
		rows = portRows(rows, []string{service.Name}, ports)
	}
	if asJSON {
		return writeJSON(command, documents)
	}
	return writeTable(command, rows)
}

func portRows(rows [][]string, first []string, ports []portDocument) [][]string {
	for _, port := range ports {
		rows = append(rows, append(append([]string{}, first...), port.ID, port.inside(), orDash(port.Application), orDash(port.reached())))
	}
	return rows
}

func onePort(command *cobra.Command, name string, found *enclave.Service, wanted string, asJSON, asURL bool) error {
	port, err := findPort(found.Name, describePorts(found.Ports), wanted)
	if err != nil {
		return failed(err)
	}
	if port.HostPort == 0 {
		return failed(fmt.Errorf("port %q (%s) of service %q is not published: `sundog forward %s %s %s` reaches it", port.ID, port.inside(), found.Name, name, found.Name, port.ID))
	}
	if asJSON {
		return writeJSON(command, port)
	}
	if port.Host == "" {
		return failed(fmt.Errorf("port %q (%s) of service %q is published as node port %d, and no node's address is known: give one (SUNDOG_KUBERNETES_NODE_ADDRESS, node_address), or the right to list nodes", port.ID, port.inside(), found.Name, port.HostPort))
	}
	if asURL && port.URL == "" {
		return failed(fmt.Errorf("port %q of service %q has no URL: the package names no application_protocol for it; without --url its address is printed", port.ID, found.Name))
	}
	text := port.address()
	if asURL {
		text = port.URL
	}
	_, err = fmt.Fprintln(command.OutOrStdout(), text)
	return failed(err)
}

// findPort finds a port by its id or its number.
func findPort(service string, ports []portDocument, wanted string) (portDocument, error) {
	var known []string
	for _, port := range ports {
		if port.ID == wanted || strconv.Itoa(port.Number) == wanted {
			return port, nil
		}
		known = append(known, port.ID)
	}
	if len(known) == 0 {
		return portDocument{}, fmt.Errorf("service %q has no ports", service)
	}
	return portDocument{}, fmt.Errorf("service %q has no port %q%s: it has %s", service, wanted, didYouMean(wanted, known), strings.Join(known, ", "))
}
