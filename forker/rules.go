package forker

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

var (
	strategies = []Strategy{Clone, Substitute, Share, Stub, Skip}
	dataModes  = []string{descriptor.DataNone, descriptor.DataSchema, descriptor.DataSample, descriptor.DataFull}
	masks      = []string{"hash", "null", "fixed"}
	// dataStrategies may have a data mode: where something is made that can hold data.
	dataStrategies = []Strategy{Clone, Substitute}
)

// Values of Rule.OnError.
const (
	onErrorFail = "fail"
	onErrorSkip = "skip"
)

// CheckRules finds what is wrong with rules by themselves: globs, strategies, modes. It knows no resources.
func CheckRules(rules []Rule) error {
	for index, rule := range rules {
		if err := checkRule(index, rule); err != nil {
			return err
		}
	}
	return nil
}

func checkRule(index int, rule Rule) error {
	fault := func(field, format string, values ...any) error {
		return &RuleError{Index: index, Field: field, Message: fmt.Sprintf(format, values...)}
	}
	if _, err := compileGlob(rule.Match); err != nil {
		return fault("match", "%s", err)
	}
	if rule.Match == "" && len(rule.MatchTags) == 0 {
		return fault("match", `the rule has neither match nor match_tags; use match = "*" for everything`)
	}
	if rule.Strategy != "" && !slices.Contains(strategies, rule.Strategy) {
		return fault("strategy", "%q is none of %s", rule.Strategy, listOf(strategies))
	}
	if rule.OnError != "" && rule.OnError != onErrorFail && rule.OnError != onErrorSkip {
		return fault("on_error", "%q is none of fail, skip", rule.OnError)
	}
	if rule.Seed != nil && rule.Strategy != "" && rule.Strategy != Substitute {
		return fault("seed", "a seed fills a stand-in, but the strategy is %s; use substitute or leave the seed out", rule.Strategy)
	}
	if rule.Image != "" && rule.Strategy != "" && rule.Strategy != Substitute {
		return fault("image", "an image is for a container, but the strategy is %s; use substitute or leave the image out", rule.Strategy)
	}
	if rule.Data == nil {
		return nil
	}
	if !slices.Contains(dataModes, rule.Data.Mode) {
		return fault("data.mode", "%q is none of %s", rule.Data.Mode, listOf(dataModes))
	}
	if rule.Data.Mode != descriptor.DataNone && rule.Strategy != "" && !slices.Contains(dataStrategies, rule.Strategy) {
		return fault("data.mode", "%s needs something that can hold data, but the strategy is %s; use clone or leave data out",
			rule.Data.Mode, rule.Strategy)
	}
	if rule.Data.Limit < 0 {
		return fault("data.limit", "%d is less than nothing", rule.Data.Limit)
	}
	if rule.Data.Limit > 0 && rule.Data.Mode != descriptor.DataSample {
		return fault("data.limit", "a limit needs the mode sample, but the mode is %s", rule.Data.Mode)
	}
	for _, field := range slices.Sorted(maps.Keys(rule.Data.Mask)) {
		if !slices.Contains(masks, rule.Data.Mask[field]) {
			return fault("data.mask", "%q for the field %q is none of %s", rule.Data.Mask[field], field, listOf(masks))
		}
	}
	return nil
}

// checkFit finds what makes a rule unfit for a resource that it chose.
func checkFit(index int, rule Rule, key string, kind descriptor.KindTraits, strategy Strategy) error {
	fault := func(field, format string, values ...any) error {
		return &RuleError{Index: index, Field: field, Key: key, Message: fmt.Sprintf(format, values...)}
	}
	name := kind.Service + "/" + kind.Name
	if !kind.Fits(strategy) {
		return fault("strategy", "%s matches %s, which cannot be had by %s; %s can be had by %s. Narrow the match or put a rule for it before",
			quoteMatch(rule), key, strategy, name, listOf(append(slices.Clone(kind.Strategies), Share, Skip)))
	}
	if rule.Seed != nil && (strategy != Substitute || kind.StandIn == nil) {
		return fault("seed", "%s matches %s, which has no stand-in to seed; narrow the match", quoteMatch(rule), key)
	}
	if rule.Data == nil || rule.Data.Mode == descriptor.DataNone {
		return nil
	}
	if !slices.Contains(dataStrategies, strategy) {
		return fault("data.mode", "%s needs something that can hold data, but the strategy for %s is %s", rule.Data.Mode, key, strategy)
	}
	if !slices.Contains(kind.DataModes, rule.Data.Mode) {
		return fault("data.mode", "%s does not fit %s; it can have %s", rule.Data.Mode, key,
			listOf(append([]string{descriptor.DataNone}, kind.DataModes...)))
	}
	return nil
}

func quoteMatch(rule Rule) string {
	if rule.Match == "" {
		return "match_tags"
	}
	return fmt.Sprintf("the match %q", rule.Match)
}

func listOf[T ~string](values []T) string {
	texts := make([]string, len(values))
	for index, value := range values {
		texts[index] = string(value)
	}
	return strings.Join(texts, ", ")
}

// compiledRule is a rule that can be asked.
type compiledRule struct {
	Rule
	glob glob
}

func compileRules(rules []Rule) ([]compiledRule, error) {
	if err := CheckRules(rules); err != nil {
		return nil, err
	}
	compiled := make([]compiledRule, len(rules))
	for index, rule := range rules {
		matcher, err := compileGlob(rule.Match)
		if err != nil {
			return nil, &RuleError{Index: index, Field: "match", Message: err.Error()}
		}
		compiled[index] = compiledRule{Rule: rule, glob: matcher}
	}
	return compiled, nil
}

func (r compiledRule) matches(key string, tags map[string]string) bool {
	if !r.glob.matches(key) {
		return false
	}
	for name, value := range r.MatchTags {
		if got, tagged := tags[name]; !tagged || got != value {
			return false
		}
	}
	return true
}
