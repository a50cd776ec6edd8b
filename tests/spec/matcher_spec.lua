-- Patterns over events that are letters: what the matcher finds one event at a time is what Lua's own string patterns find in the whole text.
local test, is = ...
local matcher = require "streamlua.matcher"
local pattern = require "streamlua.pattern"

local LETTERS = "abcxy." -- "." is nobody's, and stands for what lies beyond `within`

local function class(letters, but)
  local kept = letters:gsub(".", function(letter) return but and but:find(letter, 1, true) and "" or letter end)
  return kept == "" and "!" or "[" .. kept .. "]"
end

local function others(letters)
  return class(LETTERS, letters)
end

local function minus(letters, but)
  return (letters:gsub(".", function(letter) return but:find(letter, 1, true) and "" or letter end))
end

-- Ways from one event to the next of `letters`; refused: what may not come between, nor be it; at_once: what may not come directly behind.
local function gaps(letters, refused, at_once)
  return {
    class(letters, refused .. at_once),
    others(letters .. refused .. at_once) .. others(letters .. refused) .. "*" .. class(letters, refused),
  }
end

-- The same behind a step that could have taken more: it would have, up to an event that closes it.
local function gaps_of_open(step, letters, refused)
  local more = minus(step.letters, step.without or "")
  local closing = step.consecutive and minus(LETTERS, step.letters) or step.without or ""
  local open = step.consecutive and "" or others(letters .. refused .. step.letters .. closing) .. "*"
  local last = letters == "" and "" or class(letters, refused)
  return {
    open .. (letters == "" and "" or class(letters, refused .. more)),
    open .. class(closing, letters .. refused) .. others(letters .. refused) .. "*" .. last,
  }
end

local function ways_on(step, n, following)
  if following.directly then
    return { class(following.letters, following.at_once .. (n < step.most and minus(step.letters, step.without or "") or "")) }
  elseif n < step.most then
    return gaps_of_open(step, following.letters, following.refused)
  end
  return following.letters == "" and { others(following.refused) .. "*" } or gaps(following.letters, following.refused, following.at_once)
end

local function joined(heads, tails)
  local list = {}
  for _, head in ipairs(heads) do
    for _, tail in ipairs(tails) do
      list[#list + 1] = head .. "()" .. tail
    end
  end
  return list
end

-- All texts that are this step: the first of its events is there already.
local function repeated(step, following, n)
  local ways = { "" }
  for i = 2, n do
    local without = step.without or ""
    local enough = i > step.least and following
    without = without .. (enough and following.refused or "")
    local taken, aside = class(step.letters, without), step.letters .. without
    if step.consecutive then
      ways = joined(ways, { taken })
    elseif enough and following.directly then -- behind a pause it needs one more event of the step
      ways = joined(ways, { taken, others(aside .. following.letters) .. others(aside) .. "*" .. taken })
    else
      ways = joined(ways, { others(aside .. (enough and following.letters or "")) .. "*" .. taken })
    end
  end
  return ways
end

-- Of the counts that its steps may have: all, the larger ones first.
local function counts(steps, i, chosen, list)
  if i > #steps then
    list[#list + 1] = { unpack(chosen) }
    return list
  end
  for n = steps[i].most, steps[i].least, -1 do
    chosen[i] = n
    counts(steps, i + 1, chosen, list)
  end
  chosen[i] = nil
  return list
end

local function texts(said, chosen)
  local ways = { "^" .. class(said.steps[1].letters) }
  for i, step in ipairs(said.steps) do
    local following = said.steps[i + 1] or said.tail and { letters = "", refused = said.tail }
    local inside = repeated(step, following, chosen[i])
    local next_ways = {}
    for _, head in ipairs(ways) do
      for _, tail in ipairs(inside) do
        next_ways[#next_ways + 1] = head .. tail
      end
    end
    ways = next_ways
    if said.steps[i + 1] then
      ways = joined(ways, ways_on(step, chosen[i], following))
    end
  end
  local last = #said.steps
  local ends = { "" }
  if said.tail then
    ends = ways_on(said.steps[last], chosen[last], { letters = "", refused = said.tail })
    for i, way in ipairs(ends) do
      ends[i] = way .. "$"
    end
  end
  return joined(ways, ends)
end

-- The numbers of the events of the match that begins with this one, or nil.
local function match_from(said, events, first)
  local letters = {}
  for i = first, #events do
    letters[#letters + 1] = said.within and events[i].at >= events[first].at + said.within and "." or events[i].letter
  end
  local text = table.concat(letters)
  for _, chosen in ipairs(counts(said.steps, 1, {}, {})) do
    for _, way in ipairs(texts(said, chosen)) do
      local found = { text:find(way) }
      if found[1] then
        local numbers = {}
        for i = 3, #found do -- each stands behind one of its events
          numbers[#numbers + 1] = found[i]
        end
        return chosen, first + numbers[#numbers] - 2
      end
    end
  end
end

-- { first, last, counts } of all matches, in the order in which they are found.
local function expected(said, events)
  local all, list, last = {}, {}, 0
  for first = 1, #events do
    if said.steps[1].letters:find(events[first].letter, 1, true) then
      local chosen, finish = match_from(said, events, first)
      if chosen then
        all[#all + 1] = { first = first, last = finish, at = events[first].at, text = ("%d-%d:%s"):format(first, finish, table.concat(chosen, ",")) }
      end
    end
  end
  table.sort(all, function(a, b)
    local of_a, of_b = said.tail and a.at or a.last, said.tail and b.at or b.last
    return of_a < of_b or (of_a == of_b and a.first < b.first)
  end)
  for _, one in ipairs(all) do
    if not said.skip or one.first > last then
      list[#list + 1], last = one.text, one.last
    end
  end
  return list
end

local function some(least, most)
  local letters = {}
  for letter in ("abcxy"):gmatch "." do
    letters[#letters + 1] = letter
  end
  local made = ""
  for _ = 1, math.random(least, most) do
    made = made .. table.remove(letters, math.random(#letters))
  end
  return made
end

local function is_one_of(letters)
  return function(row) return letters:find(row.letter, 1, true) ~= nil end
end

-- A pattern at random, and what was said.
local function make()
  local chain = pattern.begin
  local said = { steps = {}, skip = math.random(2) == 1, within = math.random(3) == 1 and math.random(3, 20) or nil }
  local steps = math.random(1, 3)
  local tail = math.random(3) == 1
  local made
  for i = 1, steps do
    local step = { letters = some(1, 2), least = 1, most = 1, refused = "", at_once = "" }
    local name, ranged = "s" .. i, said.steps[i - 1] and said.steps[i - 1].most > said.steps[i - 1].least
    if i == 1 then
      made = chain("spec", name, is_one_of(step.letters))
    else
      step.directly = math.random(3) == 1
      if not step.directly and math.random(3) == 1 then
        step.refused = some(1, 2)
        made = made:not_followed_by("n" .. i, is_one_of(step.refused))
      end
      if not ranged and math.random(4) == 1 then
        step.at_once = some(1, 2)
        made = made:not_next("d" .. i, is_one_of(step.at_once))
      end
      made = made[step.directly and "next" or "followed_by"](made, name, is_one_of(step.letters))
    end
    if math.random(2) == 1 then
      step.least = math.random(1, 3)
      step.most = step.least + ((i < steps or tail) and math.random(0, 2) or 0)
      made = made:times(step.least, step.most)
      if step.most > 1 and math.random(3) == 1 then
        step.consecutive = true
        made = made:consecutive()
      elseif step.most > 1 and math.random(3) == 1 then
        step.without = some(1, 2)
        made = made:without(is_one_of(step.without))
      end
    end
    said.steps[i] = step
  end
  if tail then
    said.tail, said.within = some(1, 2), said.within or math.random(3, 20)
    made = made:not_followed_by("end", is_one_of(said.tail))
  end
  if said.within then
    made = made:within(said.within .. "ms")
  end
  if not said.skip then
    made = made:after_match "no_skip"
  end
  return pattern.compile(made), said
end

local function make_events(said)
  local events, at = {}, 0
  for i = 1, math.random(1, 25) do
    at = at + math.random(0, 3)
    local pick = math.random(#LETTERS)
    -- Only where the end of the time makes no match may times go back: which of them comes first is the timers' business there.
    events[i] = { number = i, letter = LETTERS:sub(pick, pick), at = said.tail and at or at - math.random(0, 4) }
  end
  return events
end

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local made = {}
  for name, field in pairs(value) do
    made[name] = copy(field)
  end
  return made
end

local function found_by_matcher(compiled, said, events)
  local state, list, clock = {}, {}, nil
  local function found(rows)
    local sizes, first, last = {}, math.huge, 0
    for i, step in ipairs(compiled.steps) do
      local of_step = step.listed and rows[step.name] or { rows[step.name] }
      sizes[i] = #of_step
      for _, row in ipairs(of_step) do
        first, last = math.min(first, row.number), math.max(last, row.number)
      end
    end
    list[#list + 1] = ("%d-%d:%s"):format(first, last, table.concat(sizes, ","))
  end
  local function expire(upto)
    local due = matcher.due(compiled, state)
    while due and due <= upto do
      matcher.expire(compiled, state, due, found)
      state = copy(state) -- as if it had been saved and read again
      due = matcher.due(compiled, state)
    end
  end
  for _, event in ipairs(events) do
    if said.tail and clock then
      expire(clock)
    end
    matcher.advance(compiled, state, { row = event, at = event.at, watermark = said.tail and clock, keep = copy }, found)
    -- Half of them are saved and read again, the others go on as they are; what is saved is as if nothing of it were known from before.
    local encode = require("streamlua.json").encode
    is.equal(matcher.encode(state, encode), next(state) and encode(state) or "")
    state = event.number % 2 == 0 and copy(state) or state
    clock = math.max(clock or event.at, event.at)
  end
  expire(math.huge)
  is.equal(next(state), (not said.within and state.partial) and "partial" or nil)
  return list
end

test("what is found event by event is what string patterns find in the whole", function()
  math.randomseed(tonumber(os.getenv "SEED") or 1)
  local matches, kinds = 0, {}
  for round = 1, 4000 do
    local compiled, said = make()
    local events = make_events(said)
    local letters = {}
    for i, event in ipairs(events) do
      letters[i] = event.letter .. event.at
    end
    local ok, wanted, got = pcall(function()
      return table.concat(expected(said, events), " "), table.concat(found_by_matcher(compiled, said, events), " ")
    end)
    if not ok or wanted ~= got then
      local shown = require("streamlua.json").encode(said)
      error(("round %d: %s: %s\n  wanted %s\n  got    %s"):format(round, table.concat(letters, " "), shown, tostring(wanted), tostring(got)))
    end
    for _ in wanted:gmatch "%S+" do
      matches = matches + 1
      kinds[#said.steps .. (said.tail and "t" or "") .. (said.skip and "s" or "")] = true
    end
  end
  assert(matches > 1000, "found " .. matches)
  for kind in ("1 1t 1s 1ts 2 2t 2s 2ts 3 3t 3s 3ts"):gmatch "%S+" do
    assert(kinds[kind], kind)
  end
end)
