package fork

import (
	"encoding/json"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
)

const memoryKey = "memory"

// memory is what a fork remembers in Terraform's private state from one apply to the next.
type memory struct {
	// Key is random; what follows is keyed with it.
	Key []byte `json:"key"`
	// Inputs maps the key of each resource to the hash of everything that its copy was made from.
	Inputs map[string]string `json:"inputs"`
	// Tags of production, for the resources whose digest is in TagDigests; only kept where a rule matches tags.
	Tags       map[string]map[string]string `json:"tags,omitempty"`
	TagDigests map[string]string            `json:"tag_digests,omitempty"`
}

// inputsOf is everything whose change changes the copy of a resource.
func inputsOf(plan *forker.Plan, key string) string {
	planned := plan.Resources[key]
	rule, _ := plan.Rule(key)
	digest := planned.Resource.Digest
	if rule.Pin {
		// A pinned resource stays as it was forked, whatever production does.
		digest = ""
	}
	// Seeds may hold secrets; what is made of this text is only ever a keyed hash.
	text, err := json.Marshal([]any{
		digest, planned.Resource.ARN, planned.Strategy, planned.Name, rule.Data, rule.Seed, rule.Image, rule.Pin, rule.OnError,
	})
	if err != nil {
		return ""
	}
	return string(text)
}

// note remembers what the copies were made from; those that are not as planned are left out, so that they are tried again.
func (m *memory) note(plan *forker.Plan, done func(key string) bool) {
	m.Inputs = make(map[string]string, len(plan.Resources))
	for key := range plan.Resources {
		if done(key) {
			m.Inputs[key] = private.Hash(m.Key, inputsOf(plan, key))
		}
	}
}

// unchanged tells whether a resource's copy was made from what the plan says now.
func (m *memory) unchanged(plan *forker.Plan, key string) bool {
	if m == nil {
		return false
	}
	was, known := m.Inputs[key]
	return known && was == private.Hash(m.Key, inputsOf(plan, key))
}
