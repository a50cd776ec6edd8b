local test, is = ...
local host = require "streamlua.host"
local sl = require "streamlua"

-- The line of this file that asks, as messages name it.
local function here()
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d: "):format(info.short_src, info.currentline)
end

local function refused(text, fn, ...)
  return is.failing(text, fn, ...)
end

test("env takes the variable, then the default, and names what is missing", function()
  host.variables = { SET = "x", EMPTY = "" }
  is.equal(sl.env "SET", "x")
  is.equal(sl.env("SET", "default"), "x")
  is.equal(sl.env "EMPTY", "")
  is.equal(sl.env("UNSET", "default"), "default")
  is.equal(sl.env("UNSET", false), false)
  local line
  local message = refused("the environment variable 'UNSET' is not set (nor UNSET_FILE), and sl.env has no default for it", function()
    line = here() return sl.env "UNSET" -- in tail position: no caller is left when it runs
  end)
  is.equal(message:sub(1, #line), line)
  host.variables = { AWAY_FILE = "/away" }
  refused("the environment variable 'AWAY_FILE': /away: No such file or directory", function() sl.env("AWAY", "default") end)
  refused("env: the name of a variable is needed, not nothing", function() sl.env() end)
end)

test("null is only itself", function()
  is.equal(tostring(sl.null), "null")
  is.equal(sl.null, require "streamlua".null)
  is.equal(sl.null == nil, false)
  is.equal(sl.null and true, true)
  refused("attempt to", function() return sl.null + 1 end)
  refused("", function() sl.null.x = 1 end)
end)

test("base64 is RFC 4648's", function()
  local known = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
  for bytes, text in pairs(known) do
    is.equal(sl.base64.encode(bytes), text)
    is.equal(sl.base64.decode(text), bytes)
    is.equal(sl.base64.decode((text:gsub("=", ""))), bytes)
  end
  is.equal(sl.base64.decode "-_-_", sl.base64.decode "+/+/")
end)

test("base64 and hex give every byte back", function()
  local all = {}
  for i = 0, 255 do
    all[#all + 1] = string.char(i)
  end
  all = table.concat(all)
  for length = 250, 256 do
    local bytes = all:sub(1, length)
    is.equal(sl.base64.decode(sl.base64.encode(bytes)), bytes)
    is.equal(sl.hex.decode(sl.hex.encode(bytes)), bytes)
  end
  is.equal(sl.hex.encode "\0\255a", "00ff61")
  is.equal(sl.hex.decode "00Ff61", "\0\255a")
end)

test("what is no base64 and no hex is an error of the caller's line", function()
  for _, text in ipairs { "A", "A===", "Zg=", "Zm9v=", "Z g=", "Zm9v\n", "=Zg=", "Zg==Zg==" } do
    refused("streamlua_spec.lua:", function() local bytes = sl.base64.decode(text) return bytes end)
  end
  for _, text in ipairs { "0", "0g", "0x00", " 00" } do
    refused("hex: two hexadecimal digits", sl.hex.decode, text)
  end
  refused("base64.encode: a text is needed, not a number", sl.base64.encode, 5)
end)

test("JSON is written the same for the same value", function()
  is.equal(sl.json.encode { b = 1, a = { 1, 2, "x" }, c = true, d = sl.null, e = {} }, '{"a":[1,2,"x"],"b":1,"c":true,"d":null,"e":{}}')
  is.equal(sl.json.encode(nil), "null")
  is.equal(sl.json.encode(sl.json.array()), "[]")
  is.equal(sl.json.encode(sl.json.decode "[]"), "[]")
  is.equal(sl.json.encode 'a"b\\c\n\t\1\127é€😀', '"a\\"b\\\\c\\n\\t\\u0001\\u007fé€😀"')
end)

test("numbers in JSON read back as the same double", function()
  is.equal(sl.json.encode(0), "0")
  is.equal(sl.json.encode(-0), "0")
  is.equal(sl.json.encode(9007199254740991), "9007199254740991")
  is.equal(sl.json.encode(-1e14), "-100000000000000")
  is.equal(sl.json.encode(0.1), "0.1")
  is.equal(sl.json.encode(1 / 3), "0.3333333333333333")
  for _, number in ipairs { 2 ^ 53, 1e300, 5e-324, 0.1 + 0.2, 123456.789 } do
    is.equal(tonumber(sl.json.encode(number)), number)
  end
  for _, number in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
    refused("is no number in JSON", sl.json.encode, number)
  end
end)

test("what has no form in JSON is refused", function()
  local circle = {}
  circle.circle = circle
  refused("or a table in itself", sl.json.encode, circle)
  refused("is neither an array nor an object", sl.json.encode { 1 } and sl.json.encode, { 1, x = 2 })
  refused("is neither an array nor an object", sl.json.encode, { [1] = 1, [3] = 3 })
  refused("a function has no form in JSON", sl.json.encode, { print })
  for _, bytes in ipairs { "\128", "a\255", "\192\175", "\237\160\128", "\244\144\128\128", "\226\130", "\240\128\128\128" } do
    refused("this text is no UTF-8", sl.json.encode, bytes)
  end
end)

test("JSON is read by the engine", function()
  is.equal(sl.json.decode '{"id":9007199254740993}'.id, "9007199254740993")
  is.equal(sl.json.decode "null", sl.null)
  local line
  is.equal(refused("no JSON", function()
    line = here() local value = sl.json.decode "{"
    return value
  end), line .. "no JSON")
  refused("json.decode: a text is needed, not nothing", sl.json.decode)
end)

test("decimals add and subtract exactly", function()
  local add, sub = sl.decimal.add, sl.decimal.sub
  is.equal(add("0.1", "0.2"), "0.3")
  is.equal(add(0.1, 0.2), "0.3")
  is.equal(add("99999999999999999999.99", "0.01"), "100000000000000000000.00")
  is.equal(add("-1", "1"), "0")
  is.equal(add("-1.5", "0.25"), "-1.25")
  is.equal(add("1", "-1.25"), "-0.25")
  is.equal(add("-0.5", "-0.5"), "-1.0")
  is.equal(sub("1", "0.00000000000000000001"), "0.99999999999999999999")
  is.equal(sub("10000000", "1"), "9999999")
  is.equal(sub("1", "10000000000000000"), "-9999999999999999")
  is.equal(sub("5", "5.00"), "0.00")
  is.equal(add("1e3", "1.5E-2"), "1000.015")
  is.equal(add("+.5", "5."), "5.5")
  is.equal(add(9007199254740991, 1), "9007199254740992")
end)

test("decimals multiply exactly", function()
  local mul = sl.decimal.mul
  is.equal(mul("1.10", "2"), "2.20")
  is.equal(mul("-0.5", "0.5"), "-0.25")
  is.equal(mul("0", "-5"), "0")
  is.equal(mul("99999999999999999999", "99999999999999999999"), "9999999999999999999800000000000000000001")
  is.equal(mul("12345678901234567890.12345", "1"), "12345678901234567890.12345")
  is.equal(mul("0.0000001", "0.0000001"), "0.00000000000001")
end)

test("decimals divide to as many places as are wanted", function()
  local div = sl.decimal.div
  is.equal(div("1", "3"), "0.3333")
  is.equal(div("2", "3", 0), "1")
  is.equal(div("-2", "3", 2), "-0.67")
  is.equal(div("1.00", "8"), "0.125000")
  is.equal(div("0.5", "100", 2), "0.01")
  is.equal(div("-0.04", "10", 2), "0.00")
  is.equal(div("12345678901234567890.123456789012345678901234567890", "1", 30), "12345678901234567890.123456789012345678901234567890")
  is.equal(div("99999999999999999999", "0.00000000000000000003", 1), "3333333333333333333300000000000000000000.0")
  is.equal(div("1", "99999999999999999999", 22), "0.0000000000000000000100")
  is.equal(div(10, 4, 1), "2.5")
  is.equal(div("0", "-5", 3), "0.000")
  refused("a division by zero", div, "1", "0.00")
  refused("div needs a whole number of places", div, "1", "2", 1.5)
end)

test("decimals compare by value", function()
  local compare = sl.decimal.compare
  is.equal(compare("1.0", "1.00"), 0)
  is.equal(compare("0", "-0.00"), 0)
  is.equal(compare("-0", "5"), -1)
  is.equal(compare("-1", "0"), -1)
  is.equal(compare("0", "-1"), 1)
  is.equal(compare("9007199254740993", "9007199254740992"), 1)
  is.equal(compare("-9007199254740993", "-9007199254740992"), -1)
  is.equal(compare("100000000000000", "99999999999999.9"), 1)
end)

test("decimals round a half away from zero", function()
  local round = sl.decimal.round
  is.equal(round("2.5"), "3")
  is.equal(round("-2.5"), "-3")
  is.equal(round("2.4999999999999999999"), "2")
  is.equal(round("0.005", 2), "0.01")
  is.equal(round("-0.004", 2), "0.00")
  is.equal(round("9.999", 2), "10.00")
  is.equal(round("1", 2), "1.00")
  is.equal(round("0.0000000049", 8), "0.00000000")
  is.equal(round("99999999.5", 0), "100000000")
  refused("round needs a whole number of places", round, "1", -1)
end)

test("what is no decimal number is an error of the caller's line", function()
  for _, text in ipairs { "", ".", "-", "1,5", "0x10", "1e", "1e+", "e5", "1-5", "nan", " 1", "1 ", "--1" } do
    refused(("decimal: '%s' is no decimal number"):format(text), sl.decimal.add, text, "1")
  end
  refused("streamlua_spec.lua:", function() local sum = sl.decimal.add("1", {}) return sum end)
  refused("is no decimal number", sl.decimal.add, 0 / 0, 1)
  refused("more than 1000 digits", sl.decimal.add, "1e999999999", "1")
end)

test("times are asked of the engine as RFC 3339, UTC where the text says nothing", function()
  local asked = {
    ["2024-01-31 12:00:00"] = "2024-01-31T12:00:00Z",
    ["2024-01-31"] = "2024-01-31T00:00:00Z",
    ["2024-01-31T12:00:00.5"] = "2024-01-31T12:00:00.5Z",
    ["2024-01-31t12:00:00z"] = "2024-01-31T12:00:00Z",
    ["2024-01-31 12:00:00+08:00"] = "2024-01-31T12:00:00+08:00",
  }
  for text, wanted in pairs(asked) do
    is.equal(sl.time.parse(text), 1706702400000)
    is.equal(host.asked, wanted)
  end
  for fraction, ms in pairs { [".007"] = 7, [".999"] = 999, [""] = 0 } do
    is.equal(sl.time.parse("2024-01-31 12:00:00" .. fraction), 1706702400000 + ms)
    is.equal(sl.time.parse("2024-01-31T12:00:00" .. fraction), 1706702400000 + ms)
  end
  refused("time.parse: '2024-01-31 12:00:00.1x3'", sl.time.parse, "2024-01-31 12:00:00.1x3")
  refused("time.parse: '2024-01-31 12:00:00,123'", sl.time.parse, "2024-01-31 12:00:00,123")
  refused("time.parse: 'yesterday' is no time", sl.time.parse, "yesterday")
  refused("time.parse: '2024-01-31 12:00:00 CET': no time zone", sl.time.parse, "2024-01-31 12:00:00 CET")
  refused("a text is needed", sl.time.parse, 5)
  is.equal(sl.time.format(1706702400000.9), "2024-01-31 12:00:00.000")
  is.equal(host.asked, 1706702400000)
  refused("milliseconds since the epoch are needed", sl.time.format, "x")
end)

test("times go from zone to zone, with every digit", function()
  is.equal(sl.time.parse("2024-01-31 12:00:00", "Asia/Shanghai"), 1706702400000 - 8 * 3600000)
  is.equal(sl.time.parse("2024-01-31 12:00:00Z", "Asia/Shanghai"), 1706702400000) -- its own counts
  is.equal(sl.time.format(1706702400123, "Asia/Shanghai"), "2024-01-31 20:00:00.123")
  is.equal(sl.time.convert("2024-01-31 12:00:00.123456", nil, "Asia/Shanghai"), "2024-01-31 20:00:00.123456")
  is.equal(sl.time.convert("2024-01-31 12:00:00", "Asia/Shanghai"), "2024-01-31 04:00:00")
  is.equal(sl.time.convert("0000-00-00 00:00:00", "Asia/Shanghai"), "0000-00-00 00:00:00")
  refused("time.convert: there is no time zone", sl.time.convert, "2024-01-31 12:00:00", "Asia/Atlantis")
  refused("time.format: the name of a zone is needed, not a number", sl.time.format, 0, 8)
  refused("streamlua_spec.lua:", function() local text = sl.time.convert("yesterday", "UTC", "UTC") return text end)
end)

test("integers of 64 bits are exact, and numbers where a double holds them", function()
  local i = sl.int64
  is.equal(i.add(1, 2), 3)
  is.equal(i.add("9007199254740991", 1), "9007199254740992")
  is.equal(i.sub("9007199254740992", 1), 9007199254740991)
  is.equal(i.add("9223372036854775807", 1), "9223372036854775808")
  is.equal(i.add("18446744073709551614", 1), "18446744073709551615")
  is.equal(i.add("-9223372036854775808", "18446744073709551615"), "9223372036854775807")
  is.equal(i.sub(0, "9223372036854775808"), "-9223372036854775808")
  is.equal(i.sub("9223372036854775808", "18446744073709551615"), "-9223372036854775807")
  is.equal(i.sub(5, 7), -2)
  is.equal(i.add(-5, 5), 0)
  is.equal(1 / i.mul(-5, 0), math.huge) -- not -0
  is.equal(i.mul("4294967296", "4294967295"), "18446744069414584320")
  is.equal(i.mul("-4294967296", "2147483648"), "-9223372036854775808")
  is.equal(i.div("18446744073709551615", 10), "1844674407370955161")
  is.equal(i.div(-7, 2), -3)
  is.equal(i.mod(-7, 2), -1)
  is.equal(i.mod(7, -2), 1)
  is.equal(i.mod("18446744073709551615", 10), 5)
  is.equal(i.add("0007", "-0"), 7)
end)

test("integers of 64 bits compare by value", function()
  local compare = sl.int64.compare
  is.equal(compare("9007199254740993", "9007199254740992"), 1)
  is.equal(compare("-9007199254740993", "-9007199254740992"), -1)
  is.equal(compare("18446744073709551615", "-1"), 1)
  is.equal(compare("-1", 1), -1)
  is.equal(compare("5", 5), 0)
  is.equal(compare("-0", 0), 0)
  is.equal(compare(2, 10), -1)
end)

test("integers that have no room, and what is none, are errors of the caller's line", function()
  local i = sl.int64
  refused("the sum has no room in 64 bits", i.add, "18446744073709551615", 1)
  refused("the difference has no room in 64 bits", i.sub, "-9223372036854775808", 1)
  refused("the product has no room in 64 bits", i.mul, "4294967296", "4294967296")
  refused("the product has no room in 64 bits", i.mul, "-9223372036854775807", 2)
  refused("a division by zero", i.div, 1, 0)
  refused("a division by zero", i.mod, 1, "0")
  for _, text in ipairs { "", "-", "+1", "1.0", "1e3", " 1", "0x10", "18446744073709551616", "-9223372036854775809", "184467440737095516150" } do
    refused(("int64: '%s' is no integer of 64 bits"):format(text), i.add, text, 1)
  end
  refused("int64: 9007199254740992 is no integer of 64 bits", i.add, 2 ^ 53, 1) -- it may have been another
  refused("is no integer of 64 bits", i.add, 1.5, 1)
  refused("is no integer of 64 bits", i.add, 0 / 0, 1)
  refused("streamlua_spec.lua:", function() local sum = i.add({}, 1) return sum end)
end)

test("bytes of bit strings are integers and back", function()
  local i = sl.int64
  is.equal(i.from_bytes "\5", 5)
  is.equal(i.from_bytes "", 0)
  is.equal(i.from_bytes "\1\0", 256)
  is.equal(i.from_bytes(("\255"):rep(8)), "18446744073709551615")
  is.equal(i.to_bytes(5, 2), "\0\5")
  is.equal(i.to_bytes("18446744073709551615"), ("\255"):rep(8))
  refused("256 has no room in 1 bytes", i.to_bytes, 256, 1)
  refused("-1 has no room in 8 bytes", i.to_bytes, -1)
  refused("at most eight bytes", i.from_bytes, ("x"):rep(9))
  refused("to_bytes makes one to eight bytes", i.to_bytes, 1, 9)
end)

test("sl.test is there while tests run, and says so elsewhere", function()
  refused("sl.test.case: no test runs here: it is for *_test.lua files, which `streamlua test` runs", function()
    sl.test.case("x", function() end)
  end)
  refused("sl.test.harness: no test runs here", function() sl.test.harness "scripts/orders.lua" end)
  refused("sl.test has no 'cas': did you mean 'case'?", function() return sl.test.cas end)
end)

test("a file of tests is one, or as many as it has cases", function()
  local tests = require "streamlua.test"
  local function run(fn)
    local passed, failures = tests.run("x_test.lua", {}, fn)
    return passed .. " passed, " .. table.concat(failures, "\n")
  end
  is.equal(run(function() end), "1 passed, ")
  is.equal(run(function()
    sl.test.case("a", function() end)
    sl.test.case("b", function() error("x.lua:1: no", 0) end)
    sl.test.case("c", function() end)
  end), '2 passed, x.lua:1: no\n  in "b"')
  is.equal(run(function()
    sl.test.case("a", function() end)
    error("x.lua:2: after it", 0)
  end):match "^[^\n]*", "1 passed, x.lua:2: after it")
  local nested = run(function()
    sl.test.case("a", function() sl.test.case("b", function() end) end)
  end)
  is.equal(nested:find('sl.test.case: "b" is within "a"', 1, true) ~= nil, true)
  is.equal(nested:sub(-9), '\n  in "a"')
  refused("no test runs here", function() sl.test.case("x", function() end) end)
end)
