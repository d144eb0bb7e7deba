package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// bought is one order as far as recommending needs it. The customer may be a masked value: equal customers have to
// stay equal, nothing more.
type bought struct{ customer, item string }

// recommendation is an item with the number of customers who vouch for it, or promoted by a campaign.
type recommendation struct {
	Item      string `json:"item"`
	Customers int    `json:"customers"`
	Promoted  bool   `json:"promoted,omitempty"`
}

// recommend returns at most limit items: promoted ones first, then those that most customers of the item ordered too.
func recommend(orders []bought, promoted []string, item string, limit int) []recommendation {
	customers := map[string]bool{}
	for _, order := range orders {
		if order.item == item {
			customers[order.customer] = true
		}
	}
	also := map[string]map[string]bool{}
	for _, order := range orders {
		if order.item == item || !customers[order.customer] {
			continue
		}
		if also[order.item] == nil {
			also[order.item] = map[string]bool{}
		}
		also[order.item][order.customer] = true
	}
	found := []recommendation{}
	for _, name := range promoted {
		if name != item {
			found = append(found, recommendation{Item: name, Customers: len(also[name]), Promoted: true})
			delete(also, name)
		}
	}
	ranked := make([]recommendation, 0, len(also))
	for name, vouching := range also {
		ranked = append(ranked, recommendation{Item: name, Customers: len(vouching)})
	}
	slices.SortFunc(ranked, func(a, b recommendation) int {
		return cmp.Or(cmp.Compare(b.Customers, a.Customers), cmp.Compare(a.Item, b.Item))
	})
	found = append(found, ranked...)
	return found[:min(limit, len(found))]
}

// readCampaign reads one promoted item a line; empty lines and those that begin with # say nothing.
func readCampaign(file io.Reader) ([]string, error) {
	promoted := []string{}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.ContainsAny(line, " ,;\t") {
			return nil, fmt.Errorf("line %d is %q: give one item a line", number, line)
		}
		if !slices.Contains(promoted, line) {
			promoted = append(promoted, line)
		}
	}
	return promoted, lines.Err()
}
