package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// completionTime bounds how long a shell waits for names.
const completionTime = 3 * time.Second

// completer gives the names that may stand at the place after the arguments.
type completer func(ctx context.Context, backend enclave.Backend, args []string) []cobra.Completion

// complete makes a completion out of a completer. Where it gives none, the shell completes nothing.
func (t *tools) complete(f *backendFlag, names completer) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(command.Context(), completionTime)
		defer cancel()
		backend, err := t.backend(*f)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		if len(args) == 0 {
			return enclaveNames(ctx, backend), cobra.ShellCompDirectiveNoFileComp
		}
		// An enclave may be given by its id.
		if _, name, err := enclave.ParseID(args[0]); err == nil {
			args = append([]string{name}, args[1:]...)
		}
		return names(ctx, backend, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEnclaves completes an enclave's name as the first argument and, where asked for, a service's as the second; what
// follows is a file.
func (t *tools) completeEnclaves(f *backendFlag, services bool) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 1 || len(args) == 1 && !services {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return t.complete(f, func(ctx context.Context, backend enclave.Backend, args []string) []cobra.Completion {
			return serviceNames(ctx, backend, args[0])
		})(command, args, typed)
	}
}

// completeAllEnclaves completes any number of enclaves, each once.
func (t *tools) completeAllEnclaves(f *backendFlag) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names, directive := t.complete(f, nil)(command, nil, typed)
		return slices.DeleteFunc(names, func(name cobra.Completion) bool { return slices.Contains(args, name) }), directive
	}
}

// completeServices completes an enclave's name and then any number of services, each once.
func (t *tools) completeServices(f *backendFlag) cobra.CompletionFunc {
	return t.complete(f, func(ctx context.Context, backend enclave.Backend, args []string) []cobra.Completion {
		return slices.DeleteFunc(serviceNames(ctx, backend, args[0]), func(name cobra.Completion) bool { return slices.Contains(args[1:], name) })
	})
}

// completePorts completes an enclave's name, a service's and the ids of its ports.
func (t *tools) completePorts(f *backendFlag) cobra.CompletionFunc {
	return t.complete(f, func(ctx context.Context, backend enclave.Backend, args []string) []cobra.Completion {
		if len(args) == 1 {
			return serviceNames(ctx, backend, args[0])
		}
		found, err := backend.Service(ctx, args[0], args[1])
		if err != nil {
			return nil
		}
		var ids []cobra.Completion
		for _, port := range describePorts(found.Ports) {
			ids = append(ids, cobra.CompletionWithDesc(port.ID, port.inside()))
		}
		return ids
	})
}

// completeArtifacts completes an enclave's name and that of a files artifact; what follows is a folder.
func (t *tools) completeArtifacts(f *backendFlag) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 1 {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
		return t.complete(f, func(ctx context.Context, backend enclave.Backend, args []string) []cobra.Completion {
			found, err := inspect(ctx, backend, args[0], t.now())
			if err != nil {
				return nil
			}
			var names []cobra.Completion
			for _, artifact := range found.Artifacts {
				if !slices.Contains(names, artifact.Name) {
					names = append(names, artifact.Name)
				}
			}
			return names
		})(command, args, typed)
	}
}

// completeValues completes the values of a flag that has only a few. It fails only where there is no such flag.
func completeValues(command *cobra.Command, flag string, values ...cobra.Completion) {
	_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func enclaveNames(ctx context.Context, backend enclave.Backend) []cobra.Completion {
	listed, err := backend.ListEnclaves(ctx)
	if err != nil {
		return nil
	}
	names := make([]cobra.Completion, len(listed))
	for i := range listed {
		names[i] = listed[i].Name
	}
	return names
}

func serviceNames(ctx context.Context, backend enclave.Backend, name string) []cobra.Completion {
	snapshot, err := backend.Observe(ctx, name)
	if err != nil {
		return nil
	}
	var names []cobra.Completion
	for _, service := range sortedServices(snapshot) {
		names = append(names, service.Name)
	}
	return names
}
