package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

func newPackage() *cobra.Command {
	group := &cobra.Command{
		Use:   "package",
		Short: "Work on packages: preview, write, check, pin and vendor them",
		Long:  "A package is a folder with a kurtosis.yml and Starlark files: the definition of an environment, with parameters.",
		Args:  noCommand,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	group.AddCommand(newPackagePlan(), newPackageInit(), newPackageLint(), newPackageConvert(), newPackageLock(), newPackageVendor(),
		newPackageReference())
	return group
}

// sourceFlags say where packages come from. The provider reads the same environment variables.
type sourceFlags struct {
	vendor, cache, lockFile string
	offline, locked         bool
}

func (f *sourceFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.vendor, "vendor", os.Getenv("SUNDOG_PACKAGES_VENDOR_DIR"), "folder that holds every repository at <host>/<owner>/<name>; nothing is fetched then")
	f.addFetching(command)
	f.addLock(command)
	command.Flags().BoolVar(&f.locked, "locked", isSet("SUNDOG_PACKAGES_LOCKED"), "use only what the lock file says")
}

func (f *sourceFlags) addFetching(command *cobra.Command) {
	command.Flags().StringVar(&f.cache, "cache-dir", os.Getenv("SUNDOG_PACKAGES_CACHE_DIR"), "folder that keeps what is fetched (default: \"sundog\" in the user's cache folder)")
	command.Flags().BoolVar(&f.offline, "offline", isSet("SUNDOG_PACKAGES_OFFLINE"), "fetch nothing: use what earlier runs have fetched")
}

func (f *sourceFlags) addLock(command *cobra.Command) {
	command.Flags().StringVar(&f.lockFile, "lock-file", os.Getenv("SUNDOG_PACKAGES_LOCK_FILE"), "lock file to use (default: "+locator.LockName+" in the package's folder, or in the working folder for a remote package)")
}

// isSet tells whether an environment variable switches something on.
func isSet(variable string) bool {
	on, err := strconv.ParseBool(os.Getenv(variable))
	return err == nil && on
}

func (f *sourceFlags) options() locator.Options {
	return locator.Options{VendorDir: f.vendor, CacheDir: f.cache, Offline: f.offline, LockFile: f.lockFile, Locked: f.locked}
}

func (f *sourceFlags) resolver() (*locator.Resolver, error) {
	if f.vendor != "" {
		if info, err := os.Stat(f.vendor); err != nil || !info.IsDir() {
			return nil, usage("--vendor: there is no folder %s", f.vendor)
		}
	}
	return locator.New(f.options()), nil
}

// open opens a package.
func (f *sourceFlags) open(ctx context.Context, where string) (*locator.Package, error) {
	resolver, err := f.resolver()
	if err != nil {
		return nil, err
	}
	folder, err := workingFolder()
	if err != nil {
		return nil, err
	}
	opened, err := resolver.Open(ctx, where, folder)
	return opened, failed(err)
}

// interpretationFlags say how a package is interpreted.
type interpretationFlags struct {
	args, argsFile, mainFile, mainFunction, backend string
	privileged                                      bool
	limits                                          language.Limits
}

func (f *interpretationFlags) add(command *cobra.Command) {
	f.addLanguage(command)
	command.Flags().StringVar(&f.backend, "backend", "docker", "backend that the package is meant for: docker or kubernetes")
}

// addLanguage is add for commands that know the backend.
func (f *interpretationFlags) addLanguage(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.args, "args", "", "arguments of the package: one JSON or YAML object")
	flags.StringVar(&f.argsFile, "args-file", "", "file with the arguments, JSON or YAML; \"-\" is standard input")
	flags.StringVar(&f.mainFile, "main-file", "", "file that holds the function, relative to the package's folder (default \"main.star\")")
	flags.StringVar(&f.mainFunction, "main-function", "", "function to call (default \"run\")")
	flags.BoolVar(&f.privileged, "allow-privileged", isSet("SUNDOG_PACKAGES_ALLOW_PRIVILEGED"), "let services have power over the host: privileged, host_pid_namespace, bind_mounts")
	flags.Uint64Var(&f.limits.Steps, "max-steps", language.DefaultSteps, "steps that interpretation may take")
	flags.Int64Var(&f.limits.Memory, "max-memory", language.DefaultMemory, "bytes of memory that interpretation may take")
	flags.DurationVar(&f.limits.Time, "max-time", language.DefaultTime, "time that interpretation may take, fetching included")
	command.MarkFlagsMutuallyExclusive("args", "args-file")
}

// request makes the interpretation's request out of the flags.
func (f *interpretationFlags) request(input io.Reader) (language.Request, error) {
	if f.backend != "docker" && f.backend != "kubernetes" && f.backend != "podman" {
		return language.Request{}, usage("--backend: %q is neither docker nor kubernetes", f.backend)
	}
	return f.requestFor(f.backend, input)
}

// requestFor is request where the backend is known to be there.
func (f *interpretationFlags) requestFor(backend string, input io.Reader) (language.Request, error) {
	request := language.Request{
		MainFile: f.mainFile, MainFunction: f.mainFunction, Backend: backend, AllowPrivileged: f.privileged, Limits: f.limits,
	}
	text, flag := f.args, "--args"
	if f.argsFile != "" {
		flag = "--args-file " + f.argsFile
		content, err := readArgsFile(f.argsFile, input)
		if err != nil {
			return request, usage("--args-file: %w", err)
		}
		text = string(content)
	}
	parsed, err := language.ParseArgs(text)
	if err != nil {
		return request, usage("%s: %w", flag, err)
	}
	request.OrderedArgs = parsed
	return request, nil
}

func readArgsFile(name string, input io.Reader) ([]byte, error) {
	const most = 64 << 20
	if name == "-" {
		return io.ReadAll(io.LimitReader(input, most))
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, most>>20)
	}
	return os.ReadFile(name)
}

// formatFlag is how a command prints its result.
type formatFlag struct{ format string }

func (f *formatFlag) add(command *cobra.Command) {
	command.Flags().StringVar(&f.format, "format", "text", "text or json")
	completeValues(command, "format", "text", "json")
}

func (f *formatFlag) json() (bool, error) {
	switch f.format {
	case "json":
		return true, nil
	case "text":
		return false, nil
	}
	return false, usage("--format: %q is neither text nor json", f.format)
}

// workingFolder is what relative folders start from.
func workingFolder() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", failed(fmt.Errorf("find the working folder: %w", err))
	}
	return folder, nil
}
