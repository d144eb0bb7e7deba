package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// packageFlags say which package is meant for which enclave, and as whose run.
type packageFlags struct {
	sources        sourceFlags
	interpretation interpretationFlags
	owner          ownerFlag
	name, images   string
	// rerun and recreate ask for more than what changed.
	rerun, recreate []string
}

func (f *packageFlags) add(command *cobra.Command) {
	f.sources.add(command)
	f.interpretation.addLanguage(command)
	f.owner.add(command)
	flags := command.Flags()
	flags.StringVar(&f.name, "name", "", "name of the run in the enclave (default: the last segment of the package's name)")
	flags.StringSliceVar(&f.rerun, "rerun", nil, "instruction to carry out again although nothing changed: its id as `sundog enclave diff` shows it, a service, a task, "+
		"FILE:LINE, or \"all\" for all but those that run only once; may be repeated")
	flags.StringSliceVar(&f.recreate, "recreate", nil, "service to give a new container although nothing changed; may be repeated")
}

// interpret makes the plan of a package that shares an enclave with others.
func (f *packageFlags) interpret(command *cobra.Command, where string, carrier enclave.Backend, enclaveName string) (*plan.Plan, error) {
	request, err := f.interpretation.requestFor(carrier.Name(), command.InOrStdin())
	if err != nil {
		return nil, err
	}
	request.SharedEnclave = true
	resolver, err := f.sources.resolver()
	if err != nil {
		return nil, err
	}
	folder, err := workingFolder()
	if err != nil {
		return nil, err
	}
	opened, err := resolver.Open(command.Context(), where, folder)
	if err != nil {
		return nil, err
	}
	request.Others = func(ctx context.Context) (*language.Others, error) {
		found, err := engine.New(carrier, engine.Options{}).Neighbours(ctx, enclaveName, f.runName(opened.Name))
		if err != nil {
			return nil, err
		}
		return &language.Others{Services: found.Services, Artifacts: found.Artifacts}, nil
	}
	made, err := language.Interpret(command.Context(), opened, request)
	if err != nil {
		return nil, err
	}
	for _, warning := range made.Warnings {
		fmt.Fprintln(command.ErrOrStderr(), "Warning:", strings.TrimPrefix(warning.Position.String()+": ", ": ")+warning.Message)
	}
	return made, nil
}

// request is what the engine is asked.
func (f *packageFlags) request(made *plan.Plan, name string) (engine.Request, error) {
	owner, err := f.owner.get()
	if err != nil {
		return engine.Request{}, err
	}
	return engine.Request{
		Enclave: name, Run: f.runName(made.PackageName), Owner: owner, Plan: made, Images: enclave.ImagePolicy(f.images),
		Rerun: f.rerun, Recreate: f.recreate,
	}, nil
}

func (f *packageFlags) runName(packageName string) string {
	if f.name != "" {
		return f.name
	}
	return enclave.RunName(packageName)
}

func (f *packageFlags) check() error {
	if f.name != "" && enclave.CheckServiceName(f.name) != nil {
		return usage("--name: %q is no name for a run: use 1 to 63 lower-case letters, digits and hyphens, starting with a letter", f.name)
	}
	if _, err := f.owner.get(); err != nil {
		return err
	}
	switch enclave.ImagePolicy(f.images) {
	case "", enclave.ImageMissing, enclave.ImageAlways, enclave.ImageNever:
		return nil
	}
	return usage("--image-download: %q is none of missing, always and never", f.images)
}

// runResult is what a run left, as programs read it.
type runResult struct {
	OK        bool              `json:"ok"`
	Error     *runError         `json:"error"`
	Enclave   string            `json:"enclave"`
	Run       string            `json:"run"`
	Owner     string            `json:"owner"`
	Complete  bool              `json:"complete"`
	Services  []serviceDocument `json:"services"`
	Artifacts map[string]string `json:"artifacts"`
	Output    any               `json:"output"`
	Messages  []string          `json:"messages"`
	Warnings  []string          `json:"warnings"`
	// Operations counts what was done to services.
	Operations map[string]int     `json:"operations"`
	Decisions  []decisionDocument `json:"decisions"`
}

type runError struct {
	Message string `json:"message"`
	// Position, instruction and service of the failure; empty where it is about none.
	Position    string `json:"position"`
	Instruction string `json:"instruction"`
	Service     string `json:"service"`
}

// newEnclaveFlags say what an enclave is to be.
type newEnclaveFlags struct {
	ttl    time.Duration
	labels map[string]string
	policy policyFlags
}

func (f *newEnclaveFlags) check(command *cobra.Command) error {
	if command.Flags().Changed("ttl") && f.ttl < time.Second {
		return usage("--ttl: it must be at least one second")
	}
	if err := enclave.CheckLabels(f.labels); err != nil {
		return usage("--label: %w", err)
	}
	return f.policy.check()
}

// ensure makes the enclave, or takes up the one that this owner has made before. What the flags do not say stays as it is.
func (f *newEnclaveFlags) ensure(ctx context.Context, backend enclave.Backend, name, owner string, now time.Time) (*enclave.Enclave, error) {
	spec := enclave.Spec{Name: name, Owner: owner, Labels: f.labels, Policy: f.policy.over(nil)}
	if f.ttl > 0 {
		spec.ExpiresAt = expiry(now, f.ttl)
	}
	found, err := backend.CreateEnclave(ctx, spec)
	if err != nil {
		return nil, err
	}
	spec.ExpiresAt = found.ExpiresAt
	if f.ttl > 0 {
		spec.ExpiresAt = expiry(found.CreatedAt, f.ttl)
	}
	if len(f.labels) == 0 {
		spec.Labels = found.Labels
	}
	// A backend that knows no policies is not asked for one.
	if spec.Policy = f.policy.over(found.Policy); found.Policy == nil {
		spec.Policy = nil
	}
	if maps.Equal(spec.Labels, found.Labels) && spec.ExpiresAt.Equal(found.ExpiresAt) && (spec.Policy == nil || spec.Policy.Equal(found.Policy)) {
		return found, nil
	}
	return backend.UpdateEnclave(ctx, spec)
}

// expiry is when an enclave of that age ends. Backends keep whole seconds.
func expiry(created time.Time, ttl time.Duration) time.Time {
	return created.UTC().Truncate(time.Second).Add(ttl.Truncate(time.Second))
}

// runCall is how `sundog run` or `sundog watch` was called.
type runCall struct {
	tools       *tools
	flags       packageFlags
	target      newEnclaveFlags
	backend     backendFlag
	format      formatFlag
	report      reportFlags
	enclave     string
	parallelism int
	dryRun      bool
	detailed    detailedFlag
	// held is what the plan was that the enclave holds, for `sundog watch`.
	held atomic.Pointer[string]
}

func (c *runCall) add(command *cobra.Command) {
	c.flags.add(command)
	c.backend.add(command)
	c.format.add(command)
	flags := command.Flags()
	flags.StringVar(&c.enclave, "enclave", "", "name of the enclave (required)")
	flags.DurationVar(&c.target.ttl, "ttl", 0, "how long the enclave is meant to live, counted from its creation, for example 8h; `sundog clean` goes by it")
	flags.StringToStringVar(&c.target.labels, "label", nil, "label of the enclave, KEY=VALUE; may be repeated")
	flags.StringVar(&c.flags.images, "image-download", string(enclave.ImageMissing), "when images are pulled: missing, always or never")
	flags.IntVar(&c.parallelism, "parallelism", 0, "how many services of one batch start at the same time; 0 is what suits the backend: 4 on Docker, 50 on Kubernetes")
	c.report.add(command)
	c.target.policy.add(command)
	completeValues(command, "image-download", "missing", "always", "never")
	// Both fail only where there is no such flag.
	_ = command.MarkFlagRequired("enclave")
	_ = command.RegisterFlagCompletionFunc("enclave", func(command *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.tools.completeEnclaves(&c.backend, false)(command, nil, typed)
	})
}

// once brings the enclave to what the package says now.
func (c *runCall) once(command *cobra.Command, where string) error {
	asJSON, err := c.format.json()
	if err != nil {
		return err
	}
	c.held.Store(nil)
	if err := errors.Join(c.flags.check(), c.target.check(command), c.report.check()); err != nil {
		return err
	}
	if c.parallelism < 0 {
		return usage("--parallelism: it cannot be negative")
	}
	carrier, name, err := c.backend.named(c.tools, c.enclave)
	if err != nil {
		return err
	}
	made, err := c.flags.interpret(command, where, carrier, name)
	if err != nil {
		if !asJSON || ExitCode(failed(err)) == ExitUsage {
			return failed(err)
		}
		return c.refused(carrier, name).writeJSON(command, err)
	}
	request, err := c.flags.request(made, name)
	if err != nil {
		return err
	}
	request.Parallelism = c.parallelism
	if c.dryRun {
		return c.preview(command, carrier, request, asJSON)
	}
	notices := command.ErrOrStderr()
	if c.report.quiet {
		notices = io.Discard
	}
	result, err := c.carryOut(command, carrier, request)
	if err == nil {
		// Whoever watches asked for it once.
		c.flags.rerun, c.flags.recreate = nil, nil
		c.held.Store(new(asDigest(made)))
	}
	if asJSON {
		return result.writeJSON(command, err)
	}
	return result.write(command, notices, err)
}

// refused is what is left of a call whose package is wrong: nothing.
func (c *runCall) refused(backend enclave.Backend, name string) *carried {
	owner, _ := c.flags.owner.get() // It was checked.
	return &carried{enclave: backend.Name() + "/" + name, request: engine.Request{Enclave: name, Run: c.flags.name, Owner: owner}}
}

// preview shows what a run would do.
func (c *runCall) preview(command *cobra.Command, backend enclave.Backend, request engine.Request, asJSON bool) error {
	document, err := compare(command.Context(), backend, request)
	if err != nil {
		return explained(err)
	}
	return document.show(command, asJSON, c.detailed)
}

func newRun(t *tools) *cobra.Command {
	call := &runCall{tools: t}
	command := &cobra.Command{
		Use:   "run PACKAGE --enclave NAME",
		Short: "Bring an enclave to what a package says, making the enclave if it is not there",
		Long: "PACKAGE is a folder, or a locator such as github.com/owner/repository/folder@version.\n\n" +
			"It does what sundog_enclave and sundog_package_run do, without Terraform: only what the package changes is touched,\n" +
			"what died is healed, and what the package does not have any more is removed. Progress goes to standard error; what\n" +
			"the package printed and returned goes to standard output.\n\n" +
			"An enclave or run of another owner is left alone. The owner is --owner, SUNDOG_OWNER, or else user.host.\n" +
			"Interrupted, it keeps what has been done, and the same command goes on from there.\n" +
			"Another apply of the same run is waited for; who holds it is told, and --lock-timeout bounds the wait.\n\n" +
			"Exit status: 0 when the enclave holds what the package says, 1 when not, 2 when the command was called wrongly, 130\n" +
			"when it was interrupted. With --dry-run 0, or with --detailed-exitcode 2 when something would change.",
		Example: "  sundog run ./shop --enclave dev\n  sundog run ./shop --enclave dev --args '{\"replicas\": 2}' --ttl 8h\n" +
			"  sundog run ./shop --enclave dev --args-file args.yaml --quiet\n  sundog run ./shop --enclave dev --dry-run --detailed-exitcode",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return call.once(command, args[0]) },
	}
	call.add(command)
	command.Flags().BoolVar(&call.dryRun, "dry-run", false, "only show what would be done and why, as `sundog enclave diff` does")
	call.detailed.add(command)
	return command
}

// carried is what carrying a plan out gave; its result is nil where nothing was touched.
type carried struct {
	enclave string
	request engine.Request
	result  *engine.Result
}

// carryOut brings the enclave to the request's plan.
func (c *runCall) carryOut(command *cobra.Command, backend enclave.Backend, request engine.Request) (*carried, error) {
	ctx := command.Context()
	done := &carried{enclave: backend.Name() + "/" + request.Enclave, request: request}
	if err := engine.CheckPlan(backend, request.Plan); err != nil {
		return done, err
	}
	if _, err := c.target.ensure(ctx, backend, request.Enclave, request.Owner, c.tools.now()); err != nil {
		return done, err
	}
	working, end := c.report.engine(command, backend)
	defer end()
	var err error
	done.result, err = working.Apply(ctx, request)
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w (%w)", err, ctx.Err())
	}
	return done, err
}

// write tells a person: what the package printed and returned on standard output, all else beside it.
func (c *carried) write(command *cobra.Command, notices io.Writer, failure error) error {
	if c.result != nil {
		for _, warning := range c.result.Warnings {
			fmt.Fprintln(command.ErrOrStderr(), "Warning:", warning)
		}
		for _, message := range c.result.Messages {
			fmt.Fprintln(command.OutOrStdout(), message)
		}
	}
	if failure != nil {
		return explained(c.furtherLook(failure))
	}
	if c.result.Output != nil {
		if err := encodeJSON(command.OutOrStdout(), hideSensitive(c.result.Output)); err != nil {
			return failed(err)
		}
	}
	fmt.Fprintf(notices, "The enclave %s holds the run %q: %s.\n", c.enclave, c.request.Run, engine.Summary(c.result))
	return nil
}

// furtherLook says where more is to be seen of a service that failed and whose container was kept.
func (c *carried) furtherLook(failure error) error {
	about, ok := errors.AsType[*engine.Error](failure)
	if !ok || errors.Is(failure, context.Canceled) || about.Service == "" || c.result == nil || c.result.Services[about.Service].ID == "" {
		return failure
	}
	return fmt.Errorf("%w\n\nIt is kept until the next run: `sundog logs %s %s`, `sundog enclave inspect %s`", failure, c.request.Enclave, about.Service, c.request.Enclave)
}

// hideSensitive keeps from a terminal what the package itself calls sensitive.
func hideSensitive(output any) any {
	object, ok := output.(map[string]any)
	if _, found := object["sensitive"]; !ok || !found {
		return output
	}
	shown := maps.Clone(object)
	shown["sensitive"] = "(sensitive: --format json shows it)"
	return shown
}

// writeJSON writes one document, whether it succeeded or not.
func (c *carried) writeJSON(command *cobra.Command, failure error) error {
	document := runResult{
		OK: failure == nil, Enclave: c.enclave, Run: c.request.Run, Owner: c.request.Owner, Services: []serviceDocument{},
		Artifacts: map[string]string{}, Messages: []string{}, Warnings: []string{}, Operations: map[string]int{}, Decisions: []decisionDocument{},
	}
	if c.result != nil {
		document.Complete, document.Output = c.result.Complete, c.result.Output
		document.Services = describeServices(c.result)
		maps.Copy(document.Artifacts, c.result.Artifacts)
		maps.Copy(document.Operations, c.result.Operations)
		document.Messages = append(document.Messages, c.result.Messages...)
		document.Warnings = append(document.Warnings, c.result.Warnings...)
		document.Decisions = describeDecisions(c.request.Plan, c.result.Decisions)
	}
	if failure != nil {
		document.Error = &runError{Message: explained(failure).Error()}
		if wrong, ok := errors.AsType[*language.Error](failure); ok {
			document.Error.Position = wrong.Position.String()
		}
		if instruction, ok := errors.AsType[*engine.Error](failure); ok {
			document.Error.Position, document.Error.Instruction = instruction.Position.String(), instruction.Instruction
			document.Error.Service = instruction.Service
		}
	}
	if err := writeJSON(command, document); err != nil {
		return err
	}
	if failure != nil {
		return &ExitError{Code: ExitFailure}
	}
	return nil
}

// decisionDocument is what was or would be done for one object of the plan, and why.
type decisionDocument struct {
	// Instruction counts from 1; 0 is what happens after the last one.
	Instruction int    `json:"instruction"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Position    string `json:"position"`
	Kind        string `json:"kind"`
	Object      string `json:"object"`
	Action      string `json:"action"`
	Reason      string `json:"reason"`
}

func describeDecisions(made *plan.Plan, decisions []engine.Decision) []decisionDocument {
	described := []decisionDocument{}
	for _, decision := range decisions {
		document := decisionDocument{
			Instruction: decision.Instruction + 1, Position: decision.Position.String(), Kind: decision.Kind, Object: decision.Object,
			Action: string(decision.Action), Reason: decision.Reason,
		}
		if decision.Instruction >= 0 {
			instruction := &made.Instructions[decision.Instruction]
			document.Name, document.Description = instruction.Name, plan.ReadableRuntimeValues(instruction.Description)
		}
		described = append(described, document)
	}
	return described
}
