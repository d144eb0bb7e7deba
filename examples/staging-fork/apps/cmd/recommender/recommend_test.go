package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRecommend(t *testing.T) {
	orders := []bought{
		{"ann", "tent"},
		{"ann", "stove"},
		{"ann", "mug"},
		{"ann", "stove"},
		{"bob", "tent"},
		{"bob", "stove"},
		{"bob", "poles"},
		{"cy", "rope"},
		{"cy", "mug"},
	}
	got := recommend(orders, []string{"rope", "tent"}, "tent", 3)
	want := []recommendation{
		{Item: "rope", Customers: 0, Promoted: true},
		{Item: "stove", Customers: 2},
		{Item: "mug", Customers: 1},
	}
	if !slices.Equal(got, want) {
		t.Errorf("recommend() = %v, want %v", got, want)
	}
	if got := recommend(orders, nil, "anorak", 3); len(got) != 0 {
		t.Errorf("nobody ordered an anorak, but recommend() = %v", got)
	}
}

func TestReadCampaign(t *testing.T) {
	got, err := readCampaign(strings.NewReader("# spring\nrope\n\n mug \nrope\n"))
	if err != nil || !slices.Equal(got, []string{"rope", "mug"}) {
		t.Errorf("readCampaign() = %v, %v", got, err)
	}
	if _, err := readCampaign(strings.NewReader("rope\nmug, tent\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a bad line: error is %v", err)
	}
}
