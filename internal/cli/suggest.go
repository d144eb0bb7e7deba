package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// didYouMean gives the part of a sentence that names what may have been meant; empty where nothing is near.
func didYouMean(typed string, known []string) string {
	if best := nearest(typed, known); best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return ""
}

func didYouMeanFlag(command *cobra.Command, typed string) string {
	var known []string
	command.Flags().VisitAll(func(flag *pflag.Flag) { known = append(known, flag.Name) })
	if best := nearest(typed, known); best != "" {
		return " (did you mean --" + best + "?)"
	}
	return ""
}

// nearest finds the name that is nearest to what was typed: one that begins with it, or one with few differences.
func nearest(typed string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, least := "", max(1, len(typed)/3)+1
	for _, name := range known {
		if distance := distance(strings.ToLower(typed), strings.ToLower(name)); distance < least {
			best, least = name, distance
		}
	}
	if best != "" || typed == "" {
		return best
	}
	for _, name := range known {
		if strings.HasPrefix(name, typed) {
			return name
		}
	}
	return ""
}

// distance is how many characters have to be put in, left out, exchanged, or swapped with their neighbour to make one
// text of the other.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	before, last := make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := range from {
		now := make([]int, len(to)+1)
		now[0] = i + 1
		for j := range to {
			cost := 1
			if from[i] == to[j] {
				cost = 0
			}
			now[j+1] = min(now[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last = last, now
	}
	return last[len(to)]
}
