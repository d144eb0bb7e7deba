package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// maxSeed bounds a seed file: it travels through a container's command.
const maxSeed = 64 << 20

// rulesPath is where a rule stands in the configuration; field may be nested, as in data.mode.
func rulesPath(index int, field string) path.Path {
	at := path.Root("rules").AtListIndex(index)
	if field == "" {
		return at
	}
	for name := range strings.SplitSeq(field, ".") {
		at = at.AtName(name)
	}
	return at
}

// ruleDiagnostic turns an error of the forker about a rule into one that stands at the attribute at fault.
func ruleDiagnostic(err error) diag.Diagnostic {
	var fault *forker.RuleError
	if !errors.As(err, &fault) {
		return diag.NewErrorDiagnostic("Cannot plan fork", err.Error())
	}
	return diag.NewAttributeErrorDiagnostic(rulesPath(fault.Index, fault.Field), fmt.Sprintf("Invalid rule %d of the fork", fault.Index+1), fault.Error()+".")
}

// checkKnownRules checks those rules of a configuration that are known already.
func checkKnownRules(ctx context.Context, rules types.List) diag.Diagnostics {
	var diagnostics diag.Diagnostics
	for index, element := range rules.Elements() {
		if !value.Known(ctx, element) {
			continue
		}
		object, ok := element.(basetypes.ObjectValue)
		if !ok || object.IsNull() {
			continue
		}
		rule, _ := convertRule(object)
		err := forker.CheckRules([]forker.Rule{rule})
		if fault, ok := errors.AsType[*forker.RuleError](err); ok {
			fault.Index = index
		}
		if err != nil {
			diagnostics.Append(ruleDiagnostic(err))
		}
	}
	return diagnostics
}

// convertRule converts one known rule; seedFile is the file that its seed names, not read yet.
func convertRule(object basetypes.ObjectValue) (rule forker.Rule, seedFile string) {
	attributes := object.Attributes()
	rule = forker.Rule{
		Match: textOf(attributes["match"]), Strategy: forker.Strategy(textOf(attributes["strategy"])),
		Image: textOf(attributes["image"]), OnError: textOf(attributes["on_error"]),
	}
	if pin, ok := attributes["pin"].(basetypes.BoolValue); ok {
		rule.Pin = pin.ValueBool()
	}
	if tags, ok := attributes["match_tags"].(basetypes.MapValue); ok {
		rule.MatchTags = value.Strings(tags)
	}
	if data, ok := attributes["data"].(basetypes.ObjectValue); ok && !data.IsNull() {
		rule.Data = &forker.Data{Mode: textOf(data.Attributes()["mode"])}
		if limit, ok := data.Attributes()["limit"].(basetypes.Int64Value); ok {
			rule.Data.Limit = int(limit.ValueInt64())
		}
		if mask, ok := data.Attributes()["mask"].(basetypes.MapValue); ok {
			rule.Data.Mask = value.Strings(mask)
		}
	}
	if seed, ok := attributes["seed"].(basetypes.ObjectValue); ok && !seed.IsNull() {
		seedFile = textOf(seed.Attributes()["sql_file"])
		rule.Seed = &forker.Seed{Source: seedFile}
	}
	return rule, seedFile
}

// convertRules converts the known rules of a plan and reads their seeds.
func convertRules(rules types.List, workDir string) ([]forker.Rule, diag.Diagnostics) {
	var diagnostics diag.Diagnostics
	var result []forker.Rule
	for index, element := range rules.Elements() {
		object, ok := element.(basetypes.ObjectValue)
		if !ok || object.IsNull() {
			diagnostics.AddAttributeError(rulesPath(index, ""), fmt.Sprintf("Invalid rule %d of the fork", index+1),
				"The rule is null. Leave it out, or give it a match.")
			continue
		}
		rule, seedFile := convertRule(object)
		if rule.Seed != nil {
			text, err := readSeed(workDir, seedFile)
			if err != nil {
				diagnostics.AddAttributeError(rulesPath(index, "seed.sql_file"), fmt.Sprintf("Cannot read seed %q", seedFile), err.Error()+
					".\n\nPaths are relative to where the CLI runs; \"${path.module}/seed.sql\" is safest.")
				continue
			}
			rule.Seed.SQL = text
		}
		result = append(result, rule)
	}
	return result, diagnostics
}

func readSeed(workDir, file string) (string, error) {
	full := file
	if !filepath.IsAbs(full) {
		full = filepath.Join(workDir, full)
	}
	about, err := os.Stat(full)
	switch {
	case err != nil:
		return "", err
	case !about.Mode().IsRegular():
		return "", fmt.Errorf("%s is no regular file", full)
	case about.Size() > maxSeed:
		return "", fmt.Errorf("%s has %d bytes, and a seed may have %d", full, about.Size(), maxSeed)
	}
	content, err := os.ReadFile(full)
	return string(content), err
}

func textOf(v attr.Value) string {
	if text, ok := v.(basetypes.StringValue); ok {
		return text.ValueString()
	}
	return ""
}

// wantsTags tells whether any rule matches by tags; only then tags are read.
func wantsTags(rules []forker.Rule) bool {
	for _, rule := range rules {
		if len(rule.MatchTags) > 0 {
			return true
		}
	}
	return false
}
