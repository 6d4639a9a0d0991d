// The rates of all layers, a bar a run, for the application that is asked for.

class Profile extends Picture {
  constructor(section, plot) {
    super(section, plot, section.data.explorer.profiles);
    section.on("application", () => this.refresh());
    section.on("region", () => this.refresh());
  }

  get content() {
    return (this.contents[this.section.application] ?? this.contents[0]).linear;
  }

  layout(layout, narrow) {
    const page = super.layout(layout, narrow);
    page.uirevision = this.section.application;
    // The shares stand below the bars where there is no room beside them.
    if (narrow && layout.meta?.shares) {
      page.xaxis = { ...page.xaxis, domain: [0, 1] };
      page.yaxis = { ...page.yaxis, domain: [0.48, 1] };
      page.xaxis2 = { ...page.xaxis2, domain: [0, 1], title: { ...page.xaxis2.title, font: { size: 12 }, standoff: 4 } };
      page.yaxis2 = { ...page.yaxis2, domain: [0, 0.25] };
    }
    return page;
  }
}
