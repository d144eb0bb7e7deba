package compose

import (
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// What Docker takes where a healthcheck does not say.
const (
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
)

const (
	// longestInterval is the longest pause between two checks. Docker's interval goes on for as long as the container lives,
	// so files choose it long; here the check ends as soon as it succeeds, and everything waits for it.
	longestInterval = 5 * time.Second
	// shortestPatience is the least time that a service has to become healthy. In Compose an unhealthy service can still
	// recover; here the end of the time is the end of the apply.
	shortestPatience = 2 * time.Minute
)

// healthCommand is what a healthcheck runs; nil if there is none.
func healthCommand(s *types.ServiceConfig) []string {
	if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 {
		return nil
	}
	switch test := s.HealthCheck.Test; test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		return []string{"/bin/sh", "-c", test[1]}
	}
	return nil
}

func hasHealthCheck(s *types.ServiceConfig) bool { return healthCommand(s) != nil }

// health makes ready_conditions out of a healthcheck.
func (c *converter) health(s *service) {
	command := healthCommand(&s.ServiceConfig)
	check := s.HealthCheck
	switch {
	case check == nil, check.Disable:
		return
	case len(check.Test) == 0:
		c.warn(s.at("healthcheck"), "it changes the image's own check, which is not known here, so it has no effect: give it a test")
		return
	case command == nil:
		return
	case s.job:
		c.warn(s.at("healthcheck"), "another service waits until this one has ended, so whether it is healthy is not asked")
		return
	}
	recipe := call{function: "ExecRecipe"}
	recipe.add("command", texts(command))
	condition := call{function: "ReadyCondition"}
	condition.add("recipe", recipe)
	condition.add("field", quoted("code"))
	condition.add("assertion", quoted("=="))
	condition.add("target_value", number(0))
	interval, patience := healthTimes(check)
	condition.add("interval", quoted(interval.String()))
	condition.add("timeout", quoted(patience.String()))
	s.config.add("ready_conditions", condition)
}

// healthTimes gives the pause between checks, and for how long they may fail: as long as Docker would call the service
// starting or not yet unhealthy.
func healthTimes(check *types.HealthCheckConfig) (interval, patience time.Duration) {
	pick := func(given *types.Duration, otherwise time.Duration) time.Duration {
		if given == nil || *given <= 0 {
			return otherwise
		}
		return time.Duration(*given)
	}
	whole := pick(check.Interval, healthInterval)
	retries := uint64(healthRetries)
	if check.Retries != nil && *check.Retries > 0 {
		retries = min(*check.Retries, 10_000)
	}
	patience = pick(check.StartPeriod, 0) + time.Duration(retries)*min(whole+pick(check.Timeout, healthTimeout), time.Hour)
	interval = min(whole, longestInterval)
	if check.StartInterval != nil {
		interval = min(pick(check.StartInterval, interval), longestInterval)
	}
	return interval, max(patience, shortestPatience)
}
