package packagerun

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// desired is what an interpreted package asks for, as far as the attributes go. It is a pure function of the plan and the
// arguments.
type desired struct {
	name      string // default of the run's name
	plan      *plan.Plan
	digest    string
	services  map[string]desiredService
	artifacts map[string]desiredArtifact
	// output and sensitive are known at plan if they hold no runtime value.
	output, sensitive           any
	outputKnown, sensitiveKnown bool
	// masked tells that something sensitive had to be taken out of what the package returns.
	masked bool
}

type desiredService struct {
	spec   *plan.ServiceSpec
	status string
	// inputs is everything whose change will change the service, secrets replaced by the version of the secrets.
	inputs string
}

type desiredArtifact struct {
	// digest of the content where the plan can tell it.
	digest string
	// inputs is everything whose change may change the content.
	inputs string
}

// want works out what a plan asks for. Version stands for the write-only arguments, whose values must not count: they may
// be others in each phase of one apply.
func want(interpreted *plan.Plan, args arguments, version types.Int64) (*desired, error) {
	standIn := value.Masked
	if !version.IsNull() {
		standIn = fmt.Sprintf("(sensitive, version %d)", version.ValueInt64())
	}
	d := &desired{
		name: backend.RunName(interpreted.PackageName), plan: interpreted, digest: packageDigest(interpreted),
		services: map[string]desiredService{}, artifacts: map[string]desiredArtifact{},
	}
	inputs := func(v any) (string, error) {
		text, err := json.Marshal(v)
		return args.writeOnly.Replace(string(text), standIn), err
	}
	made, err := trace(interpreted, inputs)
	if err != nil {
		return nil, err
	}
	for i := range interpreted.Instructions {
		operation := interpreted.Instructions[i].Operation
		for _, name := range operation.Produces() {
			d.artifacts[name] = desiredArtifact{digest: uploadDigest(operation), inputs: made.artifacts[name]}
		}
	}
	status := statuses(interpreted)
	for name, spec := range interpreted.Services() {
		text, err := made.service(spec)
		if err != nil {
			return nil, err
		}
		d.services[name] = desiredService{spec: spec, status: status[name], inputs: text}
	}
	d.split(interpreted.Output, args)
	return d, nil
}

// statuses tells in which state the plan leaves each service.
func statuses(interpreted *plan.Plan) map[string]string {
	status := map[string]string{}
	for i := range interpreted.Instructions {
		switch operation := interpreted.Instructions[i].Operation.(type) {
		case *plan.AddServices:
			for j := range operation.Services {
				status[operation.Services[j].Name] = "running"
			}
		case *plan.StartService:
			status[operation.Service] = "running"
		case *plan.StopService:
			status[operation.Service] = "stopped"
		}
	}
	return status
}

func uploadDigest(operation plan.Operation) string {
	if upload, ok := operation.(*plan.UploadFiles); ok && upload.Tree != nil {
		return upload.Tree.Digest()
	}
	return ""
}

// sensitiveKey is the key under which a package returns what belongs into sensitive_output.
const sensitiveKey = "sensitive"

// split divides what the package returned into what is shown and what is not.
func (d *desired) split(returned any, args arguments) {
	d.output, d.sensitive, d.masked = splitOutput(returned, args)
	d.outputKnown, d.sensitiveKnown = !hasRuntimeValues(d.output), !hasRuntimeValues(d.sensitive)
}

func splitOutput(returned any, args arguments) (output, sensitive any, masked bool) {
	output = returned
	if object, ok := returned.(map[string]any); ok {
		if hidden, found := object[sensitiveKey]; found {
			shown := maps.Clone(object)
			delete(shown, sensitiveKey)
			output, sensitive = shown, hidden
		}
	}
	output, shown := args.secrets.MaskAny(output)
	sensitive, hidden := args.writeOnly.MaskAny(sensitive)
	return output, sensitive, shown || hidden
}

func hasRuntimeValues(v any) bool {
	switch v := v.(type) {
	case string:
		return len(plan.FindRuntimeValues(v)) > 0
	case []any:
		return slices.ContainsFunc(v, hasRuntimeValues)
	case map[string]any:
		for _, element := range v {
			if hasRuntimeValues(element) {
				return true
			}
		}
	}
	return false
}

// packageDigest covers the files of a local package and the commits of remote ones.
func packageDigest(interpreted *plan.Plan) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "name %q\n", interpreted.PackageName)
	for _, file := range slices.Sorted(maps.Keys(interpreted.Files)) {
		fmt.Fprintf(hash, "file %q %s\n", file, interpreted.Files[file])
	}
	for _, reference := range interpreted.Packages {
		fmt.Fprintf(hash, "package %q %s\n", reference.Locator, reference.Commit)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
