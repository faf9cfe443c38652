#!/bin/sh
# Calls functions of a running player, as a script would. `kaa` is in the path, and KAA_SECRET_FILE set.
set -eu

# Results in command substitutions, and back into calls.
sum=$(kaa call unix:player add 40 b=2)
echo "sum: $sum"
echo "again: $(kaa call unix:player add "$sum" "b=$sum")"

title=$(kaa call unix:player title --raw)
echo "title: $title"

# In a pipeline.
echo "shouted: $(kaa call unix:player title | tr '[:lower:]' '[:upper:]')"

# A text that would need much care as JSON needs none so.
text='it'\''s "so" = $HOME `id`'
echo "echoed: $(kaa call unix:player echo -s value="$text" --raw)"

echo "bytes: $(kaa call unix:player echo '{"$bytes": "AAEC"}' --raw | wc -c | tr -d ' ')"

for id in 7 8; do
    if state=$(kaa call unix:player play "$id" --raw 2>&1); then
        echo "track $id: $state"
    else
        echo "track $id: status $?, $state"
    fi
done

kaa call unix:nobody play 7 2>/dev/null || echo "no server: status $?"
