// yaml-judge says what KubeEdge's YAML library makes of texts: one JSON string a line on standard input, one JSON
// object a line on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"sigs.k8s.io/yaml"
)

// Setting is the shape of a setting of type text.
type Setting struct {
	A string `json:"a"`
}

// Answer has the whole document as JSON, the setting `a` as text, or an error of either.
type Answer struct {
	JSON  json.RawMessage `json:"json"`
	Text  string          `json:"text"`
	Error string          `json:"error"`
}

func judge(text string) Answer {
	var answer Answer
	document, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	answer.JSON = document
	var setting Setting
	if err := yaml.Unmarshal([]byte(text), &setting); err == nil {
		answer.Text = setting.A
	}
	return answer
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		if err := out.Encode(judge(text)); err != nil {
			panic(err)
		}
	}
}
