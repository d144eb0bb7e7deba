package forker

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// forkPattern keeps fork names usable in every kind's names; AWS reserves the beginnings aws and ssm in some places.
var forkPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,29}$`)

// CheckName tells whether a fork can have a name.
func CheckName(fork string) error {
	if !forkPattern.MatchString(fork) || fork[len(fork)-1] == '-' {
		return fmt.Errorf("the fork's name %q has to be lower-case letters, digits and dashes, begin with a letter, not end in a dash, "+
			"and have at most 30 characters, because it begins the names of everything that the fork makes", fork)
	}
	if regexp.MustCompile(`^(aws|ssm)`).MatchString(fork) {
		return fmt.Errorf("the fork's name %q begins with aws or ssm, which AWS reserves; choose another", fork)
	}
	return nil
}

// NewPlan says what a fork would be. It is a pure function: no connection, no clock, no chance.
func NewPlan(request PlanRequest) (*Plan, error) {
	catalog, err := catalogOnce()
	if err != nil {
		return nil, err
	}
	return newPlan(catalog, request)
}

func newPlan(catalog *descriptor.Catalog, request PlanRequest) (*Plan, error) {
	if err := CheckName(request.Fork); err != nil {
		return nil, err
	}
	rules, err := compileRules(request.Rules)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Fork: request.Fork, Resources: make(map[string]Planned, len(request.Resources)), rules: map[string]*Rule{}}
	matched := make([]int, len(rules))
	chosen := make([]int, len(rules))
	coveredBy := make([]map[int]bool, len(rules))
	for _, key := range slices.Sorted(maps.Keys(request.Resources)) {
		resource := request.Resources[key]
		first := -1
		for index, rule := range rules {
			if !rule.matches(key, resource.Tags) {
				continue
			}
			matched[index]++
			if first < 0 {
				first = index
				chosen[index]++
				continue
			}
			if coveredBy[index] == nil {
				coveredBy[index] = map[int]bool{}
			}
			coveredBy[index][first] = true
		}
		planned, err := planResource(catalog, request.Fork, key, resource, rules, first)
		if err != nil {
			return nil, err
		}
		plan.Resources[key] = planned
		if first >= 0 {
			plan.rules[key] = &rules[first].Rule
		}
	}
	for index, rule := range rules {
		switch {
		case matched[index] == 0:
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("rules[%d] (%s) matches no resource of the inventory", index, describeMatch(rule.Rule)))
		case chosen[index] == 0:
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("rules[%d] (%s) never applies: everything that it matches is taken by rules%v before it",
				index, describeMatch(rule.Rule), slices.Sorted(maps.Keys(coveredBy[index]))))
		}
	}
	uniqueContainers(plan)
	return plan, nil
}

func describeMatch(rule Rule) string {
	text := ""
	if rule.Match != "" {
		text = fmt.Sprintf("match = %q", rule.Match)
	}
	for _, name := range slices.Sorted(maps.Keys(rule.MatchTags)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("tag %s = %q", name, rule.MatchTags[name])
	}
	return text
}

func planResource(catalog *descriptor.Catalog, fork, key string, resource Resource, rules []compiledRule, index int) (Planned, error) {
	kind, known := catalog.Kind(resource.Service, resource.Type)
	if !known {
		return Planned{
			Resource: resource, Strategy: Skip,
			Reason: fmt.Sprintf("Sundog cannot fork %s/%s yet", resource.Service, resource.Type),
		}, nil
	}
	planned := Planned{Resource: resource, Strategy: kind.Default, Reason: "default: " + kind.DefaultReason}
	if index >= 0 {
		rule := rules[index].Rule
		if rule.Strategy != "" {
			planned.Strategy = rule.Strategy
			planned.Reason = fmt.Sprintf("rules[%d] (%s)", index, describeMatch(rule))
		} else {
			planned.Reason += fmt.Sprintf("; details by rules[%d] (%s)", index, describeMatch(rule))
		}
		if err := checkFit(index, rule, key, kind, planned.Strategy); err != nil {
			return Planned{}, err
		}
	}
	switch planned.Strategy {
	case Clone, Stub:
		planned.Name = kind.Naming.Plan(fork, resource.Name, resource.ARN)
	case Substitute:
		planned.Name = descriptor.Naming{Container: true}.Plan(fork, resource.Name, resource.ARN)
	}
	return planned, nil
}

// uniqueContainers keeps containers of the same short name apart: the first by key keeps it, the others get a hash.
func uniqueContainers(plan *Plan) {
	taken := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(plan.Resources)) {
		planned := plan.Resources[key]
		if planned.Strategy != Substitute {
			continue
		}
		if taken[planned.Name] {
			planned.Name = descriptor.Naming{Container: true}.PlanHashed(planned.Resource.Name, planned.Resource.ARN)
			plan.Resources[key] = planned
		}
		taken[planned.Name] = true
	}
}

// Rule gives the rule that chose a resource; false where none did.
func (p *Plan) Rule(key string) (Rule, bool) {
	if rule := p.rules[key]; rule != nil {
		return *rule, true
	}
	return Rule{}, false
}

// rule that chose a resource; nil where none did.
func (p *Plan) rule(key string) *Rule { return p.rules[key] }

// data that a resource's rule asks for.
func (p *Plan) data(key string) Data {
	if rule := p.rules[key]; rule != nil && rule.Data != nil {
		return *rule.Data
	}
	return Data{Mode: descriptor.DataNone}
}
