"""A real Chromium without a screen."""

import json
import shutil

MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
try:
    from selenium import webdriver
except ImportError:
    MISSING.append("python3-selenium")


class Browser:
    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--no-proxy-server",
                     "--disable-background-networking"):
            options.add_argument(word)
        options.ignore_local_proxy_environment_variables()
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=webdriver.chrome.service.Service(shutil.which("chromedriver")), options=options)

    def open(self, url):
        self.driver.get(url)

    def run(self, code, *args):
        """The value of `return ...` in the page."""
        return self.driver.execute_script(code, *args)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def size(self, width, height=900, phone=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone})

    def prefer(self, scheme):
        """"light" or "dark"."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def colours(self, selector):
        """(text, ground) as the eye has them: (r, g, b) each."""
        return self.run("""
            const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
            let node = document.querySelector(arguments[0]);
            const text = rgb(getComputedStyle(node).color).slice(0, 3);
            for (; node; node = node.parentElement) {
              const ground = rgb(getComputedStyle(node).backgroundColor);
              if (ground.length === 3 || ground[3] === 1) return [text, ground.slice(0, 3)];
            }
            return [text, [255, 255, 255]];""", selector)

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def complaints(self):
        """What the console says is wrong: errors, and what the policy of the page forbids."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]

    def asked_for(self):
        """The addresses of all that was asked for over the network."""
        messages = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        return [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]

    def close(self):
        self.driver.quit()


def contrast(one, other):
    """WCAG's ratio of two colours; text needs 4.5."""
    def light(rgb):
        parts = [c / 255 for c in rgb]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)
