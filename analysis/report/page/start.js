// Sets every section going.

const pictures = [];
for (const root of document.querySelectorAll("main > section")) {
  const section = new Section(root);
  const others = [...root.querySelectorAll(".gallery .plot")].map(
    (plot) => {
      const contents = JSON.parse(plot.parentElement.querySelector("script").textContent);
      const kind = contents.linear.data[0].type === "parcoords" ? Parallel : Picture;
      return new kind(section, plot, contents);
    },
  );
  for (const event of ["region", "scale"]) section.on(event, () => others.forEach((picture) => picture.refresh()));
  inspector(section);
  if (section.data.explorer) {
    const map = new Explorer(section, root.querySelector(".map .plot"));
    controls(section, map);
    pictures.push(map);
    const profile = root.querySelector(".profile .plot");
    if (profile) pictures.push(new Profile(section, profile));
    section.show(map.recommended()?.row ?? null);
  }
  pictures.push(...others);
  table(section);
}
themeButton(pictures);
watch(pictures);
