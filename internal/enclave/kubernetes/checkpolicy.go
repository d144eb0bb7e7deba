package kubernetes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// CheckPolicy refuses what no cluster takes, by the names of the attributes, without asking one.
func CheckPolicy(policy *enclave.Policy) error {
	if policy == nil {
		return nil
	}
	failures := checkAmounts("resource_quota", policy.Quota)
	if limits := policy.Limits; limits != nil {
		failures = errors.Join(failures, checkAmounts("limit_range.default", limits.Default), checkAmounts("limit_range.default_request", limits.DefaultRequest),
			checkAmounts("limit_range.min", limits.Min), checkAmounts("limit_range.max", limits.Max))
	}
	failures = errors.Join(failures, checkKeys("annotations", policy.Annotations), checkKeys("pod_annotations", policy.PodAnnotations),
		checkLabels("pod_labels", policy.PodLabels), checkLabels("node_selectors", policy.NodeSelectors))
	if account := policy.ServiceAccount; account != "" {
		if problems := validation.IsDNS1123Subdomain(account); len(problems) > 0 {
			failures = errors.Join(failures, fmt.Errorf("service_account: %q is no name of a service account: %s", account, problems[0]))
		}
	}
	switch policy.PodSecurity {
	case "", enclave.PodSecurityPrivileged, enclave.PodSecurityBaseline, enclave.PodSecurityRestricted:
	default:
		failures = errors.Join(failures, fmt.Errorf("pod_security: %q is none of privileged, baseline and restricted", policy.PodSecurity))
	}
	return failures
}

func checkAmounts(attribute string, amounts map[string]string) error {
	var failures error
	for _, name := range slices.Sorted(maps.Keys(amounts)) {
		amount, err := resource.ParseQuantity(amounts[name])
		switch {
		case err != nil:
			failures = errors.Join(failures, fmt.Errorf("%s[%q]: %q is no amount: give a number with a unit, such as 500m, 2 or 512Mi", attribute, name, amounts[name]))
		case amount.Sign() < 0:
			failures = errors.Join(failures, fmt.Errorf("%s[%q]: %q is less than nothing", attribute, name, amounts[name]))
		}
	}
	return failures
}

// checkKeys refuses keys that are none, and Sundog's own.
func checkKeys(attribute string, texts map[string]string) error {
	var failures error
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if problems := validation.IsQualifiedName(strings.ToLower(key)); len(problems) > 0 {
			failures = errors.Join(failures, fmt.Errorf("%s[%q]: %s", attribute, key, problems[0]))
		}
		if strings.HasPrefix(key, enclave.LabelPrefix) {
			failures = errors.Join(failures, fmt.Errorf("%s[%q]: keys under %s are Sundog's own", attribute, key, enclave.LabelPrefix))
		}
	}
	return failures
}

func checkLabels(attribute string, labels map[string]string) error {
	failures := checkKeys(attribute, labels)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if problems := validation.IsValidLabelValue(labels[key]); len(problems) > 0 {
			failures = errors.Join(failures, fmt.Errorf("%s[%q]: %q is no value of a label: %s", attribute, key, labels[key], problems[0]))
		}
	}
	return failures
}
